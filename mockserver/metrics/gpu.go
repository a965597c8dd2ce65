package metrics

import (
	"fmt"
	"time"
)

// utilisation is how long a GPU was busy.
type utilisation struct {
	total        time.Duration
	second       int64         // the one of the last addition
	current, ago time.Duration // in that second, and in the one before
}

// busy adds a time that begins where the one before has ended, or later.
func (u *utilisation) busy(from, to time.Duration) {
	u.total += to - from
	now := int64(to / time.Second)
	u.ago, u.current = u.in(now-1), u.in(now)
	u.second = now
	begins := time.Duration(now) * time.Second
	u.current += to - max(from, begins)
	if from < begins {
		u.ago += begins - max(from, begins-time.Second)
	}
}

// in is how long the GPU was busy in a second, as far as that is still known.
func (u *utilisation) in(second int64) time.Duration {
	switch second {
	case u.second:
		return u.current
	case u.second - 1:
		return u.ago
	}
	return 0
}

// What a GPU is like: an H100 with 80 GB.
const (
	idleWatts, fullWatts  = 70, 700
	idleDegrees, atFull   = 30, 70
	memoryMiB, usedMiB    = 81559, 73403 // 90 %
	coreClock, memoryRate = 1980, 2619   // MHz
)

// GPUs is a page as NVIDIA's exporter writes it.
func GPUs(r Reading) []byte {
	p := page{}
	write := func(name, kind, help string, value func(u *utilisation) float64) {
		p.family(name, kind, help)
		for k := range r.ranks {
			p.sample(name, gpuLabels(k), value(&r.ranks[k].gpu))
		}
	}
	constant := func(x float64) func(*utilisation) float64 {
		return func(*utilisation) float64 { return x }
	}
	share := func(u *utilisation) float64 {
		return u.in(int64(r.at/time.Second) - 1).Seconds()
	}
	write("DCGM_FI_DEV_SM_CLOCK", gauge, "SM clock frequency (in MHz).", constant(coreClock))
	write("DCGM_FI_DEV_MEM_CLOCK", gauge, "Memory clock frequency (in MHz).", constant(memoryRate))
	write("DCGM_FI_DEV_GPU_TEMP", gauge, "GPU temperature (in C).", func(u *utilisation) float64 {
		return idleDegrees + (atFull-idleDegrees)*share(u)
	})
	write("DCGM_FI_DEV_POWER_USAGE", gauge, "Power draw (in W).", func(u *utilisation) float64 {
		return idleWatts + (fullWatts-idleWatts)*share(u)
	})
	write("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", counter, "Total energy consumption since boot (in mJ).", func(u *utilisation) float64 {
		return 1000 * (idleWatts*r.at.Seconds() + (fullWatts-idleWatts)*u.total.Seconds())
	})
	write("DCGM_FI_DEV_GPU_UTIL", gauge, "GPU utilization (in %).", func(u *utilisation) float64 { return 100 * share(u) })
	write("DCGM_FI_DEV_XID_ERRORS", gauge, "Value of the last XID error encountered.", constant(0))
	write("DCGM_FI_DEV_FB_FREE", gauge, "Framebuffer memory free (in MiB).", constant(memoryMiB-usedMiB))
	write("DCGM_FI_DEV_FB_USED", gauge, "Framebuffer memory used (in MiB).", constant(usedMiB))
	write("DCGM_FI_PROF_GR_ENGINE_ACTIVE", gauge, "Ratio of time the graphics engine is active.", share)
	return p.text
}

func gpuLabels(k int) string {
	return labels("gpu", fmt.Sprint(k), "UUID", fmt.Sprintf("GPU-00000000-0000-0000-0000-%012d", k),
		"pci_bus_id", fmt.Sprintf("00000000:%02X:00.0", k), "device", fmt.Sprintf("nvidia%d", k),
		"modelName", "Simulated 80GB GPU", "Hostname", "llmsweep-mock")
}
