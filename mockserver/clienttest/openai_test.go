package clienttest

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func chat(prompt string, tokens int64) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:               model,
		Messages:            []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("be brief"), openai.UserMessage(prompt)},
		MaxCompletionTokens: openai.Int(tokens),
	}
}

func TestChat(t *testing.T) {
	client := startMock(t).client()
	answer, err := client.Chat.Completions.New(soon(t), chat(words(98), 12))
	require.NoError(t, err)
	assert.Regexp(t, "^chatcmpl-", answer.ID)
	assert.EqualValues(t, "chat.completion", answer.Object)
	assert.Equal(t, model, answer.Model)
	assert.InDelta(t, time.Now().Unix(), answer.Created, 60)
	require.Len(t, answer.Choices, 1)
	assert.EqualValues(t, "assistant", answer.Choices[0].Message.Role)
	assert.Len(t, strings.Fields(answer.Choices[0].Message.Content), 12)
	assert.Equal(t, "length", answer.Choices[0].FinishReason)
	assert.EqualValues(t, 100, answer.Usage.PromptTokens)
	assert.EqualValues(t, 12, answer.Usage.CompletionTokens)
	assert.EqualValues(t, 112, answer.Usage.TotalTokens)
	assert.True(t, answer.Usage.PromptTokensDetails.JSON.CachedTokens.Valid())
	assert.Zero(t, answer.Usage.PromptTokensDetails.CachedTokens)

	again, err := client.Chat.Completions.New(soon(t), chat(words(98), 12))
	require.NoError(t, err)
	assert.EqualValues(t, 64, again.Usage.PromptTokensDetails.CachedTokens, "one whole block")
}

func TestChatWithSeveralChoices(t *testing.T) {
	client := startMock(t).client()
	params := chat("hello", 5)
	params.N = openai.Int(3)
	answer, err := client.Chat.Completions.New(soon(t), params)
	require.NoError(t, err)
	require.Len(t, answer.Choices, 3)
	for k, c := range answer.Choices {
		assert.EqualValues(t, k, c.Index)
		assert.Len(t, strings.Fields(c.Message.Content), 5)
	}
	assert.EqualValues(t, 15, answer.Usage.CompletionTokens)
	assert.EqualValues(t, 3, answer.Usage.PromptTokens)
}

func TestStream(t *testing.T) {
	client := startMock(t).client()
	params := chat(words(98), 12)
	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
	stream := client.Chat.Completions.NewStreaming(soon(t), params)
	defer stream.Close()
	var whole openai.ChatCompletionAccumulator
	content := 0
	for stream.Next() {
		chunk := stream.Current()
		require.True(t, whole.AddChunk(chunk), "the accumulator refuses %s", chunk.RawJSON())
		if len(chunk.Choices) > 0 && chunk.Choices[0].Delta.Content != "" {
			content++
		}
	}
	require.NoError(t, stream.Err())
	assert.Equal(t, 12, content, "one chunk a token")
	require.Len(t, whole.Choices, 1)
	assert.Len(t, strings.Fields(whole.Choices[0].Message.Content), 12)
	assert.EqualValues(t, "assistant", whole.Choices[0].Message.Role)
	assert.Equal(t, "length", whole.Choices[0].FinishReason)
	assert.EqualValues(t, 100, whole.Usage.PromptTokens)
	assert.EqualValues(t, 12, whole.Usage.CompletionTokens)
}

func TestStreamOfSeveralChoices(t *testing.T) {
	client := startMock(t).client()
	params := chat("hello", 6)
	params.N = openai.Int(2)
	stream := client.Chat.Completions.NewStreaming(soon(t), params)
	defer stream.Close()
	var whole openai.ChatCompletionAccumulator
	for stream.Next() {
		require.True(t, whole.AddChunk(stream.Current()))
	}
	require.NoError(t, stream.Err())
	require.Len(t, whole.Choices, 2)
	for _, c := range whole.Choices {
		assert.Len(t, strings.Fields(c.Message.Content), 6)
		assert.Equal(t, "length", c.FinishReason)
	}
}

func TestStop(t *testing.T) {
	client := startMock(t).client()
	params := chat("say it", 200)
	params.Seed = openai.Int(1)
	params.Stop = openai.ChatCompletionNewParamsStopUnion{OfStringArray: []string{"e", "a", "o", "i", "u", "y"}}
	answer, err := client.Chat.Completions.New(soon(t), params)
	require.NoError(t, err)
	assert.Equal(t, "stop", answer.Choices[0].FinishReason)
	assert.NotContains(t, answer.Choices[0].Message.Content, "e")
	assert.Less(t, answer.Usage.CompletionTokens, int64(10))
}

// weather is a function that a model might call.
func weather() openai.ChatCompletionNewParams {
	params := chat("How is the weather?", 100)
	params.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
		Name: "get_weather",
		Parameters: shared.FunctionParameters{
			"type": "object",
			"properties": map[string]any{
				"location": map[string]any{"type": "string"},
				"days":     map[string]any{"type": "integer", "minimum": 1},
				"unit":     map[string]any{"type": "string", "enum": []string{"celsius", "fahrenheit"}},
			},
			"required": []string{"location", "days", "unit"},
		},
	})}
	params.ToolChoice = openai.ToolChoiceOptionFunctionToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: "get_weather"})
	return params
}

// requireArguments holds a call against the schema of weather.
func requireArguments(t *testing.T, name, arguments string) {
	t.Helper()
	assert.Equal(t, "get_weather", name)
	var parsed struct {
		Location *string
		Days     *int
		Unit     string
	}
	require.NoError(t, json.Unmarshal([]byte(arguments), &parsed), arguments)
	require.NotNil(t, parsed.Location, arguments)
	require.NotNil(t, parsed.Days, arguments)
	assert.GreaterOrEqual(t, *parsed.Days, 1)
	assert.Contains(t, []string{"celsius", "fahrenheit"}, parsed.Unit)
}

func TestTools(t *testing.T) {
	client := startMock(t).client()
	answer, err := client.Chat.Completions.New(soon(t), weather())
	require.NoError(t, err)
	require.Len(t, answer.Choices, 1)
	message := answer.Choices[0].Message
	require.Len(t, message.ToolCalls, 1, answer.RawJSON())
	assert.NotEmpty(t, message.ToolCalls[0].ID)
	assert.Equal(t, "function", message.ToolCalls[0].Type)
	requireArguments(t, message.ToolCalls[0].Function.Name, message.ToolCalls[0].Function.Arguments)
	assert.Contains(t, []string{"tool_calls", "stop"}, answer.Choices[0].FinishReason)

	// The second turn: the answer as the client gives it back, and what the tool said.
	next := chat("How is the weather?", 7)
	next.Messages = append(next.Messages, message.ToParam(), openai.ToolMessage("sunny", message.ToolCalls[0].ID))
	answer, err = client.Chat.Completions.New(soon(t), next)
	require.NoError(t, err)
	assert.Len(t, strings.Fields(answer.Choices[0].Message.Content), 7)
}

func TestStreamedTools(t *testing.T) {
	client := startMock(t).client()
	stream := client.Chat.Completions.NewStreaming(soon(t), weather())
	defer stream.Close()
	var whole openai.ChatCompletionAccumulator
	finished := 0
	for stream.Next() {
		require.True(t, whole.AddChunk(stream.Current()))
		if call, done := whole.JustFinishedToolCall(); done {
			finished++
			requireArguments(t, call.Name, call.Arguments)
		}
	}
	require.NoError(t, stream.Err())
	assert.Equal(t, 1, finished)
	require.Len(t, whole.Choices, 1)
	require.Len(t, whole.Choices[0].Message.ToolCalls, 1)
	assert.Empty(t, whole.Choices[0].Message.Content)
}

func TestCompletions(t *testing.T) {
	client := startMock(t).client()
	params := openai.CompletionNewParams{
		Model: model, MaxTokens: openai.Int(9),
		Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String(words(20))},
	}
	answer, err := client.Completions.New(soon(t), params)
	require.NoError(t, err)
	assert.Regexp(t, "^cmpl-", answer.ID)
	assert.EqualValues(t, "text_completion", answer.Object)
	assert.Len(t, strings.Fields(answer.Choices[0].Text), 9)
	assert.EqualValues(t, "length", answer.Choices[0].FinishReason)
	assert.EqualValues(t, 20, answer.Usage.PromptTokens)

	stream := client.Completions.NewStreaming(soon(t), params)
	defer stream.Close()
	var text strings.Builder
	for stream.Next() {
		for _, c := range stream.Current().Choices {
			text.WriteString(c.Text)
		}
	}
	require.NoError(t, stream.Err())
	assert.Len(t, strings.Fields(text.String()), 9)

	params.Prompt = openai.CompletionNewParamsPromptUnion{OfArrayOfTokens: []int64{1, 2, 3}}
	answer, err = client.Completions.New(soon(t), params)
	require.NoError(t, err)
	assert.EqualValues(t, 3, answer.Usage.PromptTokens)

	params.Prompt = openai.CompletionNewParamsPromptUnion{OfArrayOfStrings: []string{"one", "two of them"}}
	answer, err = client.Completions.New(soon(t), params)
	require.NoError(t, err)
	assert.Len(t, answer.Choices, 2)
	assert.EqualValues(t, 4, answer.Usage.PromptTokens)
}

func TestEmbeddings(t *testing.T) {
	client := startMock(t).client()
	embed := func(input openai.EmbeddingNewParamsInputUnion) *openai.CreateEmbeddingResponse {
		answer, err := client.Embeddings.New(soon(t), openai.EmbeddingNewParams{Model: model, Input: input})
		require.NoError(t, err)
		assert.EqualValues(t, "list", answer.Object)
		return answer
	}
	two := embed(openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one two", "three"}})
	require.Len(t, two.Data, 2)
	assert.EqualValues(t, 1, two.Data[1].Index)
	assert.EqualValues(t, 3, two.Usage.PromptTokens)
	require.NotEmpty(t, two.Data[0].Embedding)
	assert.Len(t, two.Data[1].Embedding, len(two.Data[0].Embedding))
	assert.NotEqual(t, two.Data[0].Embedding, two.Data[1].Embedding)
	one := embed(openai.EmbeddingNewParamsInputUnion{OfString: openai.String("one two")})
	require.Len(t, one.Data, 1)
	assert.Equal(t, two.Data[0].Embedding, one.Data[0].Embedding, "the same text has the same vector")
}

func TestModels(t *testing.T) {
	client := startMock(t, "-model-name", "my/model").client()
	list, err := client.Models.List(soon(t))
	require.NoError(t, err)
	require.Len(t, list.Data, 1)
	assert.Equal(t, "my/model", list.Data[0].ID)
	assert.EqualValues(t, "model", list.Data[0].Object)
	one, err := client.Models.Get(soon(t), "my/model")
	require.NoError(t, err)
	assert.Equal(t, list.Data[0].ID, one.ID)
	_, err = client.Models.Get(soon(t), "other")
	requireError(t, err, http.StatusNotFound, "model_not_found")
}

// requireError wants an error that the client could read.
func requireError(t *testing.T, err error, status int, code string) {
	t.Helper()
	var failure *openai.Error
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, status, failure.StatusCode)
	assert.Equal(t, code, failure.Code)
	assert.NotEmpty(t, failure.Message)
	assert.NotEmpty(t, failure.Type)
}

func TestErrorTypes(t *testing.T) {
	m := startMock(t, "-max-model-len", "1000")
	client := m.client()
	for name, c := range map[string]struct {
		change func(p *openai.ChatCompletionNewParams)
		status int
		code   string
	}{
		"another model": {func(p *openai.ChatCompletionNewParams) { p.Model = "gpt-9" }, 404, "model_not_found"},
		"no messages":   {func(p *openai.ChatCompletionNewParams) { p.Messages = nil }, 400, "missing_messages"},
		"temperature":   {func(p *openai.ChatCompletionNewParams) { p.Temperature = openai.Float(3) }, 400, "invalid_value"},
		"too long":      {func(p *openai.ChatCompletionNewParams) { p.MaxCompletionTokens = openai.Int(1000) }, 400, "context_length_exceeded"},
		"logprobs":      {func(p *openai.ChatCompletionNewParams) { p.Logprobs = openai.Bool(true) }, 400, "unsupported_parameter"},
		"no tokens":     {func(p *openai.ChatCompletionNewParams) { p.MaxCompletionTokens = openai.Int(0) }, 400, "invalid_value"},
	} {
		t.Run(name, func(t *testing.T) {
			params := chat("hello", 3)
			c.change(&params)
			_, err := client.Chat.Completions.New(soon(t), params)
			requireError(t, err, c.status, c.code)

			stream := client.Chat.Completions.NewStreaming(soon(t), params)
			defer stream.Close()
			assert.False(t, stream.Next())
			requireError(t, stream.Err(), c.status, c.code)
		})
	}
	_, err := client.Chat.Completions.New(soon(t), chat("hello", 3), option.WithJSONSet("n", "two"))
	requireError(t, err, http.StatusBadRequest, "invalid_value")
	_, err = client.Responses.New(soon(t), responses.ResponseNewParams{Model: model})
	requireError(t, err, http.StatusNotImplemented, "not_implemented")
}

func TestKey(t *testing.T) {
	m := startMockWithKey(t, "sesame")
	stranger, guest := m.client(), m.client(option.WithAPIKey("sesame"))
	_, err := stranger.Chat.Completions.New(soon(t), chat("hello", 3))
	requireError(t, err, http.StatusUnauthorized, "invalid_api_key")
	_, err = guest.Chat.Completions.New(soon(t), chat("hello", 3))
	require.NoError(t, err)
}

// A client that gives up leaves nothing behind.
func TestTimeout(t *testing.T) {
	m := startMock(t, "-speedup-ratio", "0.01") // seconds for a token
	client := m.client()
	_, err := client.Chat.Completions.New(soon(t), chat("hello", 100), option.WithRequestTimeout(50*time.Millisecond))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	m.isIdle(t)

	stream := client.Chat.Completions.NewStreaming(soon(t), chat("hello", 100), option.WithRequestTimeout(50*time.Millisecond))
	defer stream.Close()
	for stream.Next() {
		assert.Empty(t, stream.Current().Choices[0].Delta.Content)
	}
	require.ErrorIs(t, stream.Err(), context.DeadlineExceeded)
	m.isIdle(t)
}

func TestCancellation(t *testing.T) {
	m := startMock(t, "-speedup-ratio", "1")
	client := m.client()
	ctx, cancel := context.WithCancel(soon(t))
	stream := client.Chat.Completions.NewStreaming(ctx, chat(words(1000), 100000))
	defer stream.Close()
	for tokens := 0; tokens < 3; {
		require.True(t, stream.Next(), "%v", stream.Err())
		if stream.Current().Choices[0].Delta.Content != "" {
			tokens++
		}
	}
	assert.Equal(t, 1.0, m.sum(t, "vllm:num_requests_running"))
	assert.Positive(t, m.sum(t, "vllm:kv_cache_usage_perc"))
	cancel()
	for stream.Next() {
		_ = stream.Current() // what was on its way
	}
	require.ErrorIs(t, stream.Err(), context.Canceled)
	m.isIdle(t)
	eventually(t, func() bool { return m.sum(t, "dynamo_frontend_disconnected_clients") == 1 }, "a client that left")
}
