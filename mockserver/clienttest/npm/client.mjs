// Runs one case of the official JavaScript client against a mock server: node client.mjs CASE URL. A failure is an exception.
import assert from 'node:assert/strict'
import OpenAI from 'openai'

const [name, url] = process.argv.slice(2)
const model = 'Qwen/Qwen3-0.6B'
const client = new OpenAI({ baseURL: url + '/v1', apiKey: 'none', maxRetries: 0 })
const messages = [{ role: 'user', content: 'one two three' }]
const words = (text) => text.trim().split(/\s+/).length

const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: {
      type: 'object',
      properties: { location: { type: 'string' }, days: { type: 'integer', minimum: 1 } },
      required: ['location', 'days'],
    },
  },
}
const tools = { tools: [weather], tool_choice: { type: 'function', function: { name: 'get_weather' } } }

function checkArguments(text) {
  const parsed = JSON.parse(text)
  assert.equal(typeof parsed.location, 'string')
  assert.ok(Number.isInteger(parsed.days) && parsed.days >= 1)
}

const cases = {
  async chat() {
    const answer = await client.chat.completions.create({ model, messages, max_completion_tokens: 7 })
    assert.equal(answer.object, 'chat.completion')
    assert.equal(answer.choices[0].finish_reason, 'length')
    assert.equal(answer.choices[0].message.role, 'assistant')
    assert.equal(words(answer.choices[0].message.content), 7)
    assert.equal(answer.usage.prompt_tokens, 3)
    assert.equal(answer.usage.completion_tokens, 7)
    assert.equal(answer.usage.prompt_tokens_details.cached_tokens, 0)
  },

  async streaming() {
    const stream = await client.chat.completions.create({
      model, messages, max_completion_tokens: 9, stream: true, stream_options: { include_usage: true }, ignore_eos: true,
    })
    let text = ''
    let usage
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      usage = chunk.usage ?? usage
    }
    assert.equal(words(text), 9)
    assert.equal(usage.completion_tokens, 9)
  },

  // The helper that puts a stream together checks its shape, too.
  async streamHelper() {
    const runner = client.chat.completions.stream({ model, messages, max_completion_tokens: 9 })
    const answer = await runner.finalChatCompletion()
    assert.equal(words(answer.choices[0].message.content), 9)
  },

  async tools() {
    const answer = await client.chat.completions.create({ model, messages, ...tools })
    const [call] = answer.choices[0].message.tool_calls
    assert.equal(call.type, 'function')
    assert.equal(call.function.name, 'get_weather')
    checkArguments(call.function.arguments)

    const runner = client.chat.completions.stream({ model, messages, ...tools })
    const streamed = (await runner.finalChatCompletion()).choices[0].message.tool_calls
    assert.equal(streamed.length, 1)
    assert.equal(streamed[0].function.name, 'get_weather')
    checkArguments(streamed[0].function.arguments)
  },

  async completions() {
    const answer = await client.completions.create({ model, prompt: 'one two', max_tokens: 5 })
    assert.equal(words(answer.choices[0].text), 5)
    assert.equal(answer.usage.prompt_tokens, 2)
    let text = ''
    for await (const chunk of await client.completions.create({ model, prompt: 'one two', max_tokens: 5, stream: true })) {
      text += chunk.choices[0]?.text ?? ''
    }
    assert.equal(words(text), 5)
  },

  // Without an encoding_format this client asks for base64 and decodes it.
  async embeddings() {
    const packed = await client.embeddings.create({ model, input: ['one', 'two'] })
    const plain = await client.embeddings.create({ model, input: ['one', 'two'], encoding_format: 'float' })
    assert.equal(packed.data.length, 2)
    assert.ok(packed.data[0].embedding.length > 0)
    for (const k of [0, 1]) {
      assert.equal(packed.data[k].embedding.length, plain.data[k].embedding.length)
      packed.data[k].embedding.forEach((x, i) => assert.ok(Math.abs(x - plain.data[k].embedding[i]) < 1e-6))
    }
  },

  async models() {
    const ids = []
    for await (const m of await client.models.list()) ids.push(m.id)
    assert.deepEqual(ids, [model])
    assert.equal((await client.models.retrieve(model)).id, model)
  },

  async errors() {
    const fails = (change, type, code) =>
      assert.rejects(client.chat.completions.create({ model, messages, max_completion_tokens: 3, ...change }), (error) => {
        assert.ok(error instanceof type, String(error))
        assert.equal(error.code, code)
        return true
      })
    await fails({ model: 'other' }, OpenAI.NotFoundError, 'model_not_found')
    await fails({ messages: [] }, OpenAI.BadRequestError, 'missing_messages')
    await fails({ temperature: 3 }, OpenAI.BadRequestError, 'invalid_value')
    await fails({ stream: true, n: 1000 }, OpenAI.BadRequestError, 'invalid_value')
    await fails({ response_format: { type: 'json_object' } }, OpenAI.BadRequestError, 'unsupported_parameter')
    await assert.rejects(client.responses.create({ model, input: 'one' }), (error) => error.status === 501 && error.code === 'not_implemented')
  },

  // Against a server that takes seconds for a token.
  async timeouts() {
    await assert.rejects(
      client.chat.completions.create({ model, messages, max_completion_tokens: 100 }, { timeout: 500 }),
      OpenAI.APIConnectionTimeoutError,
    )
  },

  // Against a server that is not faster than a real one.
  async cancellation() {
    const stream = await client.chat.completions.create({ model, messages, max_completion_tokens: 100000, stream: true })
    let tokens = 0
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content && ++tokens === 3) stream.controller.abort()
    }
    assert.ok(tokens >= 3 && tokens < 1000, String(tokens))

    const abort = new AbortController()
    const request = client.chat.completions.create({ model, messages, max_completion_tokens: 100000 }, { signal: abort.signal })
    setTimeout(() => abort.abort(), 50)
    await assert.rejects(request, OpenAI.APIUserAbortError)
  },
}

await cases[name]()
