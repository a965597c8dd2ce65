package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFieldsThatNameSecrets(t *testing.T) {
	for _, field := range []string{
		"key", "api_key", "apiKey", "APIKey", "api-key", "x-api-key", "api.key", "token", "hf_token", "accessToken", "secret", "client_secret",
		"secret_value", "password", "db_password", "Authorization", "authorization_header", "proxy-authorization", "bearer", "credentials",
		"apikey", "api_key_2", "auth",
	} {
		assert.True(t, namesSecret(field), field)
	}
	for _, field := range []string{
		"max_tokens", "min_tokens", "tokens", "stop_token_ids", "return_tokens_as_token_ids", "allowed_token_ids", "skip_special_tokens", "eos_token_id",
		"eos_token", "prompt_cache_key", "keyword", "top_k", "monkey", "keys_to_keep", "tokenizer", "temperature", "secretary", "author", "cache_salt",
		"", "2", "_",
	} {
		assert.False(t, namesSecret(field), field)
	}
}

func TestFieldsThatOnlySoundSecret(t *testing.T) {
	for _, field := range []string{"return_token:true", "token:null", "api_key:", `{"key":[]}`, "prompt_cache_key:a", "stop_token_ids:[1]"} {
		render(t, required("-extra-inputs="+field)...)
	}
	for _, field := range []string{"api_key:123", `{"keys":{"key":["a"]}}`, `{"token":{"value":"a"}}`} {
		var stdout, stderr bytes.Buffer
		assert.Equal(t, exitUsage, run(&stdout, &stderr, required("-extra-inputs="+field)), field)
	}
}

func TestFieldWords(t *testing.T) {
	assert.Equal(t, []string{"x", "api", "key"}, fieldWords("X-Api_key"))
	assert.Equal(t, []string{"access", "token2", "id"}, fieldWords("accessToken2Id"))
	assert.Equal(t, []string{"été", "key"}, fieldWords("étéKey"))
	assert.Empty(t, fieldWords("_-"))
}
