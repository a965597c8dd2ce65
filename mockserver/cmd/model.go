package cmd

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/llmsweep/llmsweep/mockserver"
	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// shape is what a model's config.json says of the size of its keys and values.
type shape struct {
	Layers     int    `json:"num_hidden_layers"`
	Heads      int    `json:"num_attention_heads"`
	KVHeads    int    `json:"num_key_value_heads"`
	HiddenSize int    `json:"hidden_size"`
	HeadDim    int    `json:"head_dim"`
	TorchType  string `json:"torch_dtype"`
	Type       string `json:"dtype"`
	LoraRank   int    `json:"kv_lora_rank"` // compressed keys and values, which are sized otherwise
	Text       *shape `json:"text_config"`  // of a model that also sees
}

// concludeModel is the model's name and the size of its tokens in the cache.
func (s *settings) concludeModel() error {
	model := s.options.Model
	var config *shape
	if s.modelPath != "" {
		if !s.given["model-name"] {
			model = s.modelPath
		}
		var err error
		if config, err = s.readShape(s.modelPath); err != nil && !s.given["kv-bytes-per-token"] {
			return err
		}
	}
	known := config != nil || model == mockserver.DefaultOptions().Model
	s.options.Model = model
	if s.given["kv-bytes-per-token"] {
		_, err := bytesPerNumber(s.cacheType, "")
		return err
	}
	if config == nil {
		config = &shape{Layers: 28, KVHeads: 8, HeadDim: 128, Type: "bfloat16"} // Qwen/Qwen3-0.6B
	}
	size, err := config.bytesPerToken(s.cacheType)
	if err != nil {
		return err
	}
	s.options.Transfer.BytesPerToken = size
	if !known && s.mode == disaggregated {
		s.Notes = append(s.Notes, fmt.Sprintf("kv-bytes-per-token: %v, as Qwen/Qwen3-0.6B has; for %s set it, or -model-path to a folder with its config.json",
			size, model))
	}
	return nil
}

// readShape reads the config.json of a folder. A model's id, which is no path, has none here.
func (s *settings) readShape(given string) (*shape, error) {
	info, err := os.Stat(s.resolve(given))
	if err != nil || !info.IsDir() {
		if isID := strings.Count(given, "/") < 2 && !strings.HasPrefix(given, ".") && !filepath.IsAbs(given); isID {
			return nil, nil
		}
		return nil, fmt.Errorf("model-path %q: must be a folder, or a model's id such as Qwen/Qwen3-0.6B", given)
	}
	data, err := s.readFile(filepath.Join(given, "config.json"))
	if err != nil {
		return nil, fmt.Errorf("model-path: %w", err)
	}
	var c shape
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("model-path %q: config.json: %w", given, err)
	}
	if c.Layers == 0 && c.Text != nil {
		c = *c.Text
	}
	if err := c.complete(); err != nil {
		return nil, fmt.Errorf("model-path %q: config.json: %w", given, err)
	}
	return &c, nil
}

// complete works out what the file leaves to the reader. Some models state a head_dim that is not hidden size over heads.
func (c *shape) complete() error {
	if c.LoraRank > 0 {
		return errors.New("compressed keys and values (kv_lora_rank): set -kv-bytes-per-token")
	}
	c.KVHeads = cmp.Or(c.KVHeads, c.Heads)
	if c.HeadDim == 0 && c.Heads > 0 {
		c.HeadDim = c.HiddenSize / c.Heads
	}
	if c.Layers < 1 || c.KVHeads < 1 || c.HeadDim < 1 {
		return errors.New("must have num_hidden_layers, num_key_value_heads and head_dim (or hidden_size and num_attention_heads): " +
			"or set -kv-bytes-per-token")
	}
	return nil
}

func (c *shape) bytesPerToken(cacheType string) (float64, error) {
	n, err := bytesPerNumber(cacheType, cmp.Or(c.Type, c.TorchType))
	return engine.KVBytesPerToken(c.Layers, c.KVHeads, c.HeadDim, n), err
}

// bytesPerNumber is the size of a number in the cache, which is of the model's type unless said otherwise.
func bytesPerNumber(cacheType, modelType string) (int, error) {
	switch cacheType {
	case "bfloat16":
		return 2, nil
	case "fp8", "fp8_ds_mla", "fp8_e4m3", "fp8_e5m2", "fp8_inc":
		return 1, nil
	case "auto":
	default:
		return 0, fmt.Errorf("kv-cache-dtype %q: must be one of auto, bfloat16, fp8, fp8_ds_mla, fp8_e4m3, fp8_e5m2 and fp8_inc", cacheType)
	}
	switch {
	case modelType == "float32":
		return 4, nil
	case strings.HasPrefix(modelType, "float8"):
		return 1, nil
	}
	return 2, nil
}
