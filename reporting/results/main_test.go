package results

import (
	"os"
	"testing"

	"github.com/llmsweep/llmsweep/leaktest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }
