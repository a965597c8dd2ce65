package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLimitsFollowRequests(t *testing.T) {
	for name, test := range map[string]struct {
		args             []string
		requests, limits map[string]any
	}{
		"neither": {nil, map[string]any{"cpu": "4", "memory": "8Gi"}, map[string]any{"cpu": "8", "memory": "16Gi"}},
		"less":    {[]string{"-cpu=500m", "-memory=1Gi"}, map[string]any{"cpu": "500m", "memory": "1Gi"}, map[string]any{"cpu": "8", "memory": "16Gi"}},
		"more":    {[]string{"-cpu=16", "-memory=64Gi"}, map[string]any{"cpu": "16", "memory": "64Gi"}, map[string]any{"cpu": "16", "memory": "64Gi"}},
		"in other units": {
			[]string{"-cpu=8001m", "-memory=17179869185"}, map[string]any{"cpu": "8001m", "memory": "17179869185"},
			map[string]any{"cpu": "8001m", "memory": "17179869185"},
		},
		"as much, in other units": {
			[]string{"-cpu=8000m", "-memory=16384Mi"}, map[string]any{"cpu": "8000m", "memory": "16384Mi"}, map[string]any{"cpu": "8", "memory": "16Gi"},
		},
		"given": {
			[]string{"-cpu=16", "-cpu-limit=16.0", "-memory=1Gi", "-memory-limit=1024Mi"}, map[string]any{"cpu": "16", "memory": "1Gi"},
			map[string]any{"cpu": "16.0", "memory": "1024Mi"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			resources := decode(t, render(t, required(test.args...)...)).Spec.Template.Spec.Containers[0].Resources
			assert.Equal(t, test.requests, resources.Requests)
			assert.Equal(t, test.limits, resources.Limits)
		})
	}
}

func TestQuantities(t *testing.T) {
	for text, inBytes := range map[string]string{
		"8Gi": "8589934592", "1.5Gi": "1610612736", "512Mi": "536870912", "2048Ki": "2097152", "1Ti": "1099511627776", "1048576": "1048576",
		"2000k": "2000000", "2M": "2000000", "1G": "1000000000", "1T": "1000000000000",
	} {
		amount, ok := memoryQuantity().parse(text)
		if assert.True(t, ok, text) {
			assert.Equal(t, inBytes, amount.RatString(), text)
		}
	}
	for text, cores := range map[string]string{"4": "4", "0.5": "1/2", "500m": "1/2", "1m": "1/1000", "2.25": "9/4", "12000m": "12"} {
		amount, ok := cpuQuantity().parse(text)
		if assert.True(t, ok, text) {
			assert.Equal(t, cores, amount.RatString(), text)
		}
	}
	for _, text := range []string{"", "0", "1m", "64", "8K", "8GiB", "8gi", "1e9", "-1Gi", "+1Gi", ".5Gi", "1.Gi", "1.2.3Gi", "Gi", "8 Gi", "8iG", "0x10Gi"} {
		_, ok := memoryQuantity().parse(text)
		assert.False(t, ok, "memory %q", text)
	}
	for _, text := range []string{"", "0", "0m", "0.0001", "8Gi", "4k", "1e1", "-1", "m", "1.", ".5", "1,5", "4 ", "1/2"} {
		_, ok := cpuQuantity().parse(text)
		assert.False(t, ok, "cpu %q", text)
	}
}
