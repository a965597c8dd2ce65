// Package browsertest opens the HTML report in a headless browser that has no network, and does with it what readers do: hide a benchmark,
// choose a level, sort a table, look at a tooltip, save a CSV, print.
//
// The browser is driven over its debugging protocol, by chromedp: unlike a dump of the document it tells of each request and of each message on
// the console, and clicks and keys are real ones. It is a module of its own, so that chromedp stays out of the main module, whose packages it
// uses from the folders beside it. It needs chromium or chrome in PATH; without one its tests skip, or fail if REQUIRE_BROWSER=1.
//
// Run them by make test-browser, or with -count=1. With -pictures=FOLDER a test leaves pictures of the page there, to be looked at.
package browsertest
