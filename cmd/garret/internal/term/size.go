package term

import (
	"fmt"
	"strconv"
	"time"
)

// Size returns a number of bytes for people, in powers of 1000 and with three
// digits: "0 B", "999 B", "1.23 kB", "82.9 MB", "18.4 EB".
func Size(bytes uint64) string {
	if bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	value, unit := float64(bytes)/1000, 0
	for ; value >= 999.5; value /= 1000 {
		unit++
	}
	return fmt.Sprintf("%.*f %cB", decimals(value), value, "kMGTPE"[unit])
}

// decimals returns how many digits behind the point make three in all, given
// that the value is below 999.5.
func decimals(value float64) int {
	switch {
	case value < 9.995:
		return 2
	case value < 99.95:
		return 1
	}
	return 0
}

// Rate returns a number of bytes each second: "145 MB/s".
func Rate(bytes uint64, d time.Duration) string {
	if d <= 0 {
		return "- B/s"
	}
	return Size(uint64(float64(bytes)/d.Seconds())) + "/s"
}

// Count returns a number with commas: "1,234,567".
func Count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Duration returns a time span for people, with two units at most: "0 ms",
// "850 ms", "12.3 s", "4 min 5 s", "2 h 13 min", "3 d 4 h".
func Duration(d time.Duration) string {
	if d < 0 {
		return "-" + Duration(-d)
	}
	const day = 24 * time.Hour
	two := func(d, large, small time.Duration, largeUnit, smallUnit string) string {
		d = d.Round(small)
		return fmt.Sprintf("%d %s %d %s", d/large, largeUnit, d%large/small, smallUnit)
	}
	switch {
	case d < 999500*time.Microsecond:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d < 59950*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour-time.Second/2:
		return two(d, time.Minute, time.Second, "min", "s")
	case d < day-time.Minute/2:
		return two(d, time.Hour, time.Minute, "h", "min")
	}
	return two(d, day, time.Hour, "d", "h")
}

// Latency returns a short time for people, with three digits: "310 ns",
// "12.3 us", "1.25 ms", "2.50 s".
func Latency(seconds float64) string {
	value, unit := seconds*1e9, 0
	for units := len(latencyUnits); value >= 999.5 && unit+1 < units; value /= 1000 {
		unit++
	}
	return fmt.Sprintf("%.*f %s", decimals(value), value, latencyUnits[unit])
}

var latencyUnits = [...]string{"ns", "us", "ms", "s"}
