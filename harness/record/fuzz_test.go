package record_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// FuzzFiles: run.json and level.json that can be read are written as something that reads as the same.
func FuzzFiles(f *testing.F) {
	f.Add([]byte(`{"schema_version":"1","created_at":"2026-01-02T03:04:05Z","plan":{"concurrencies":[1],"extra_inputs":{"a":1e400,"b":[{}]},"tls":{"insecure":true}},"target":{"model":{"id":1}}}`))
	f.Add([]byte(`{"status":"done","started_at":"2026-01-02T03:04:05+23:59","counts":{"outcomes":{"ok":1}},"instrument":{"verdict":"x"}}`))
	f.Add([]byte(`{} {}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "file.json")
		for _, fresh := range []func() any{func() any { return new(record.Run) }, func() any { return new(record.Level) }} {
			require.NoError(t, os.WriteFile(path, data, 0o600))
			first, second := fresh(), fresh()
			if err := record.ReadJSON(path, first); err != nil {
				assert.Contains(t, err.Error(), "file.json: ")
				continue
			}
			require.NoError(t, record.WriteJSON(path, first))
			once, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, record.ReadJSON(path, second))
			require.NoError(t, record.WriteJSON(path, second))
			twice, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, string(once), string(twice))
		}
	})
}
