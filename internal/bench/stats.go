package bench

import (
	"slices"
	"time"
)

// Median returns the middle one of values, or the mean of the middle two; 0 if there are none.
func Median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Percentile returns the duration that p percent of all do not exceed; 0 if there are none.
func Percentile(all []time.Duration, p float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(float64(len(sorted))*p/100), len(sorted)-1)]
}
