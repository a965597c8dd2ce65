// Package profile reads measured engines, as Dynamo's profiler and planner write
// them, into an [engine.Profile]. It takes bytes and gives numbers, and opens no file.
//
// A profile ([Parse]) is an NPZ archive or a JSON object with the keys
//
//	prefill_isl                1-D, prompt tokens
//	prefill_ttft_ms            1-D, milliseconds
//	decode_active_kv_tokens    1-D, tokens
//	decode_context_length      1-D, tokens
//	decode_itl                 2-D, milliseconds, [kv tokens][context length]
//
// What a profiler measured ([Convert]) is scattered and has other keys: prefill_isl
// and prefill_ttft; x_kv_usage (0 to 1), y_context_length, z_itl and max_kv_tokens.
// It is put on a grid on straight lines, along the usage for each measured context
// length, and beyond the measured usages of a length with the nearest one's value.
// Dynamo's own converter lays cubic curves through the points, so its values between them
// differ a little.
//
// An NPZ archive is a zip of NPY arrays, deflated or not; of the element types f8, f4,
// i8 and i4, little endian; in C or Fortran order; with headers of version 1, 2 or 3.
package profile
