package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// TestResumingJobTriesAgain where its pod was killed, and not where its benchmark failed by itself; without -resume never.
func TestResumingJobTriesAgain(t *testing.T) {
	for flag, retries := range map[string]int{"-resume": 3, "-resume=request": 3, "-resume=level": 3, "-resume=false": 0, "-verbose": 0} {
		var job struct {
			Spec struct {
				BackoffLimit     int `yaml:"backoffLimit"`
				PodFailurePolicy struct {
					Rules []struct {
						Action      string
						OnExitCodes struct{ Values []int } `yaml:"onExitCodes"`
					}
				} `yaml:"podFailurePolicy"`
			}
		}
		require.NoError(t, yaml.Unmarshal([]byte(render(t, required(flag)...)), &job))
		assert.Equal(t, retries, job.Spec.BackoffLimit, flag)
		if retries == 0 {
			assert.Empty(t, job.Spec.PodFailurePolicy.Rules)
			continue
		}
		require.Len(t, job.Spec.PodFailurePolicy.Rules, 2)
		assert.Equal(t, "Ignore", job.Spec.PodFailurePolicy.Rules[0].Action, "evicted: exit code 1, too")
		assert.Equal(t, "FailJob", job.Spec.PodFailurePolicy.Rules[1].Action)
		assert.Equal(t, []int{1, 2}, job.Spec.PodFailurePolicy.Rules[1].OnExitCodes.Values)
	}
}
