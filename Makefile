# Everything here needs Go alone; only race needs a C compiler too. ARGS adds flags to the command of a target, for example
# make sweep ARGS="-isl=500 -osl=50" or make test ARGS="-run Chart".
GO ?= go
DATA_DIR ?= benchmarks/results
ARGS ?=
FUZZTIME ?= 1m

# The default run replaces its own last results. A run that names a server or a benchmark, perhaps in a file, must ask for that itself
# (ARGS=-overwrite): hours of a real server's time may lie in that folder. So does one that goes on with what is there.
named = $(strip $(ENDPOINT) $(BENCH_ENDPOINT) $(BENCH_BENCHMARK_NAME) $(BENCH_CONFIG) $(BENCH_RESUME) $(foreach flag,-endpoint -benchmark-name -config -resume,$(findstring $(flag),$(ARGS))))
overwrite = $(if $(named),,-overwrite)

.DEFAULT_GOAL := help
.PHONY: help sweep calibrate gate gate-live image image-oci cluster-demo test test-cluster test-clients test-browser race lint fuzz vulncheck report

help: ## List these targets and llmsweep's flags
	@sed -n 's/^\([a-z-]*\): ## /\1	/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done
	@printf '\nVariables become flags: ENDPOINT, MODEL, CONCURRENCIES, REQUEST_COUNT, BENCH_<FLAG>, or ARGS="-flag=value":\n'
	@printf '  make sweep ENDPOINT=http://localhost:8000 BENCH_BENCHMARK_NAME=vllm-agg\n\n'
	@text=$$($(GO) test ./bench -count=1 -v -llmsweep.help) || { printf '%s\n' "$$text"; exit 1; }; printf '%s\n' "$$text" | sed '$$d'

sweep: ## Measure ENDPOINT, or the embedded mock server if there is none
	$(GO) test ./bench -run Sweep -v -count=1 -timeout 0 $(overwrite) $(ARGS)

calibrate: ## Measure how much load this machine can generate and measure, for later runs to quote
	$(GO) test ./bench -run Calibrate -v -count=1 -timeout 0 $(ARGS)

gate: ## Compare two virtual runs, of BASE (default: this tree) and of this tree
	SWEEP_ARGS="$(ARGS)" scripts/ci-gate.sh $(or $(BASE),.)

gate-live: ## Measure the mock servers of BASE (default: this tree) and of this tree in turn, in real time
	GATE_ARGS="$(ARGS)" scripts/ci-gate-live.sh $(or $(BASE),.)

image: ## Build the container image IMAGE (default llmsweep:dev); needs Docker
	scripts/image/build.sh

image-oci: ## Build the image for linux/amd64 and linux/arm64 into dist/llmsweep-oci.tar, with Go alone
	scripts/image/build.sh oci dist/llmsweep-oci.tar

cluster-demo: ## Two benchmarks as cluster jobs, and their comparison, with Docker alone
	scripts/cluster/demo.sh

test: ## Run every test
	$(GO) tool gotestsum -- ./... $(ARGS)

# A module of its own, so that Kubernetes' packages stay out of ours.
test-cluster: ## Run the tests of the cluster's files against a small API server
	gotestsum=$$($(GO) tool -n gotestsum) && cd scripts/cluster/clustertest && "$$gotestsum" -- -count=1 ./... $(ARGS)

# A module of its own, so that other people's clients stay out of ours.
test-clients: ## Run OpenAI's own clients and Prometheus' parser against the mock server; needs node for one of them
	gotestsum=$$($(GO) tool -n gotestsum) && cd mockserver/clienttest && "$$gotestsum" -- -count=1 ./... $(ARGS)

# A module of its own, so that what drives a browser stays out of ours.
test-browser: ## Open the HTML report in a headless browser without a network; needs chromium or chrome
	gotestsum=$$($(GO) tool -n gotestsum) && cd reporting/page/browsertest && "$$gotestsum" -- -count=1 ./... $(ARGS)

# Containers and documented commands are built without the race detector, which would find nothing there. That runs are identical takes ten runs,
# that a report is repeatable five: all minutes long under it, and the same code races, if it does, in the runs of the other tests. So it is with those
# that decode hundreds of megabytes or draw many pictures in one goroutine, with the calibration, which sends millions of events, and with what is held to a
# millisecond, which the detector takes for itself.
repeats = TestServersThatFail|TestReportsHaveTheVerdict|TestTwoProcessesOnAFolder|TestWarmupIsInNoFigure|TestCacheOfSilentAnswers|TestFileAskedTwice|TestArmsStartTheirServers|TestSpreadOfReplicas|TestVirtualTimeEqualsTheModel|TestEnergyIsTheMocks|TestServersDoNotWriteToTheTerminal|TestDryRunKeepsItsWord|TestVerdictsOfOpenLoops|TestVerdictsOfTwoArms|TestInjectedDelayIsFlagged|TestProgramsOfALayoutRun|TestEndlessDriftIsNoSteadyState|TestLevelsAreRepeatedInTurn|TestUnplannedCacheHits|TestPlannedCacheHits|TestOtherForms|TestStarvedClientIsMarked|TestMarksCoincideWithPauses|TestTraceIsFollowed|TestTraceIsPunctual|TestTraceHitsAreThoseOfANaiveReplay|TestOpenLoopInVirtualTime|TestErrorRatesOfWholeTrials|TestSensitivityDisarms|TestColdPenaltyIsNotInTheWindow|TestMoreThanItCanServeIsOverloaded|TestKilledRunsAreResumed|TestDocumentedCommands|TestVirtualRunsAreIdentical|TestSpellingOfTheDirectoryDoesNotShow|TestCeilingIsKeptAndQuoted
alone = TestEndlessDocument|TestTokenCounts|TestStopsAcrossStretches|TestStopsAreThoseOfANaiveSearch|TestWriteErrorIsReturned|TestReadersOfBenchmarks|TestProbe|TestBarsAreDrawn|TestLongRunsOfFiles|TestLongRuns|TestPromptsOfATokenizer|TestReference|TestRandomFiles|TestSplits|TestSeamsOfFiles|TestSeamsOfRandomVocabularies|TestScannersAgreeWithTheGenericEngine|TestMergesOfRanks|TestWordsOfFiles|TestWordsOfTheVocabulary|TestLengthsAreNormal|TestSecretsStayOut|TestFiguresFollowFromTheTrace|TestContinuedLevelHasNoThroughput|TestLinksAreCommands|TestGzipBomb|TestDenseStreamIsNoBomb|TestEventBeyondMaxEventIsAnError|TestVectorsSplitAtEveryByte|TestEverySeriesIsSeenInThePlotArea|TestPictureSizeAndResolution|TestReportRewritesItself|TestLargeFile|TestRecordsBeyondTheLimit
# The report is made by one goroutine, and statistics, comparisons, arrivals and the model of the engine are pure; only charts promise to be drawn by several at once.
race_packages = $(shell $(GO) list ./... | grep -v -e /reporting$$ -e /reporting/cmd -e /harness/stat$$ -e /harness/steady$$ -e /harness/compare$$ -e /harness/arrival$$ -e /mockserver/engine$$)
no_race = ^(TestDocker[A-Z].*|$(repeats)|$(alone))$$

# Two busy cores come close to go test's own limit of ten minutes.
race: ## Run the tests under the race detector, except the longest and those of containers
	$(GO) tool gotestsum -- -race -timeout 15m -skip '$(no_race)' $(race_packages) $(ARGS)

lint: ## Check format, go vet, golangci-lint and the workflows
	@bad=$$(gofmt -l .) && test -z "$$bad" || { printf 'not formatted, run gofmt -w on:\n%s\n' "$$bad"; exit 1; }
	$(GO) vet ./...
	linter=$$($(GO) tool -modfile=tools.mod -n golangci-lint) && "$$linter" run && \
		for module in scripts/cluster/clustertest mockserver/clienttest reporting/page/browsertest; do (cd "$$module" && "$$linter" run) || exit 1; done
	$(GO) tool -modfile=actionlint.mod actionlint -shellcheck= -pyflakes=

fuzz: ## Run each fuzz target for FUZZTIME (default 1m)
	GO="$(GO)" scripts/fuzz.sh "$(FUZZTIME)"

vulncheck: ## Look for known vulnerabilities that our code reaches; needs a network
	checker=$$($(GO) tool -modfile=vuln.mod -n govulncheck) && \
		for module in . scripts/cluster/clustertest mockserver/clienttest reporting/page/browsertest; do (cd "$$module" && "$$checker" ./...) || exit 1; done

report: ## Redraw the report of the results in DATA_DIR
	$(GO) run ./reporting/cmd/report -data-dir "$(DATA_DIR)" $(ARGS)
