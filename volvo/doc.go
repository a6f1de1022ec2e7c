// Package volvo talks to Volvo's cloud: the Connected Vehicle API v2, the
// Energy API v2 and the Location API v1.
//
// A GET becomes [Readings]: one [Reading] a field, decoded field by field, so
// that one bad field never costs its neighbours. A POST becomes an [Answer].
// Everything that goes wrong is an [*Error] whose kind says what to do and
// whether the car may have acted.
//
// The published reference and the real API differ (an envelope here, a null
// there, other names, other units). Both forms are read by the same rules; none
// is recognised by car, date or version.
//
// The package never logs, never touches files or the environment and starts no
// goroutine of its own.
package volvo
