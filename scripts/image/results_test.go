package image_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unpack reads a tar of results and verifies it by its last entry. It returns the files by their names.
func unpack(t *testing.T, packed []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	last := ""
	for archive := tar.NewReader(bytes.NewReader(packed)); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		data, err := io.ReadAll(archive)
		require.NoError(t, err)
		files[header.Name], last = data, header.Name
	}
	require.Equal(t, "MANIFEST.json", last)
	var manifest struct {
		Count int
		Files []struct {
			Name   string
			Size   int
			SHA256 string
		}
	}
	require.NoError(t, json.Unmarshal(files[last], &manifest))
	delete(files, last)
	require.Equal(t, len(files), manifest.Count)
	require.Len(t, manifest.Files, manifest.Count)
	for _, file := range manifest.Files {
		sum := sha256.Sum256(files[file.Name])
		require.Contains(t, files, file.Name)
		assert.Len(t, files[file.Name], file.Size, file.Name)
		assert.Equal(t, file.SHA256, hex.EncodeToString(sum[:]), file.Name)
	}
	return files
}

// average returns a level's average of a metric, in the metric's own unit.
func average(t *testing.T, files map[string][]byte, level, metric string) float64 {
	t.Helper()
	var aggregate map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(files[level+"/profile_export_aiperf.json"], &aggregate))
	var figure struct{ Avg float64 }
	require.NoError(t, json.Unmarshal(aggregate[metric], &figure), metric)
	return figure.Avg
}
