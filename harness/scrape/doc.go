// Package scrape understands what servers tell of themselves as Prometheus text. It is pure: it is given pages and instants, and gives series
// and figures. Asking the servers is harness's part, and package record keeps the files.
//
//  1. [Parse] reads a page. It is as strict as Prometheus: a page with one bad line is no page, since half of a page looks like a server that
//     counted less. OpenMetrics' marks (# EOF, # UNIT, exemplars, timestamps) are accepted and dropped.
//  2. [Changes] turns the pages of a source into what changed since the one before, which is what record.Scrape keeps.
//  3. [History] puts that together again, as far as anybody asks: each series with the rounds in which it had which value.
//  4. The vocabulary says what the names of vLLM, SGLang, TensorRT-LLM, Dynamo and NVIDIA's DCGM exporter mean. Series that it does not know stay
//     in the files under their own names.
//  5. [Figures] are what a stretch of the history comes to: counters by their increase, gauges by mean and maximum, histograms by their mean.
//
// A counter between two rounds is interpolated. How far the nearest round is stands beside the figures.
package scrape
