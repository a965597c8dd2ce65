package summary

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestReasonsAreBrief: of what a server answers its message is shown, however it is packed and wherever it was cut off.
func TestReasonsAreBrief(t *testing.T) {
	t.Parallel()
	const failed = "the request to find it failed: http 404, "
	for reason, want := range map[string]string{
		"it reports no usage": "it reports no usage",
		failed + `{"error":{"message":"The model \"x\" does not exist","type":"invalid_request_error","code":404}}`: failed + `The model "x" does not exist`,
		failed + `{"object":"error","message":"The model does not\n exist.","type":"NotFoundE`:                      failed + "The model does not exist",
		failed + `{"detail":"Not Found"}`: failed + "Not Found",
		failed + `{"detail":[{"type":"missing","loc":["body","model"],"msg":"Field required"}]}`: failed + "Field required",
		failed + `{"error":{"message":"cut in its \`:                                             failed + "cut in its",
		failed + `{"error":{"message":"\ud83d\u0`:                                                failed + `\ud83d\u0`,
		failed + `{"error": "no such route"}`:                                                    failed + "no such route",
		failed + `{"status":404,"path":"/v1"}`:                                                   failed + `{"status":404,"path":"/v1"}`,
		failed + "<!DOCTYPE html><html><head><title>404":                                         failed + "a page of HTML",
		failed + "model not found":                                                               failed + "model not found",
		"":                                                                                       "",
	} {
		assert.Equal(t, want, brief(reason))
	}
	long := brief(failed + `{"error":{"message":"` + strings.Repeat("ü ", 500) + `"}}`)
	assert.Len(t, []rune(long), mostBrief-1, "a blank at the end is left out")
	assert.True(t, strings.HasSuffix(long, "ü..."))
}
