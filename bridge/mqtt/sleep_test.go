package mqtt

import (
	"testing"
	"time"
)

func TestSleepWatch(t *testing.T) {
	var w sleepWatch
	now := time.Now()
	for range 100 {
		now = now.Add(lookEvery)
		if w.look(now) {
			t.Fatal("nobody slept")
		}
	}
	if !w.look(now.Add(20 * time.Second)) { // stopped, and continued
		t.Error("20 s were not noticed")
	}
	if !w.look(now.Add(24*time.Second)) || w.look(now.Add(26*time.Second)) {
		t.Error("what lay in buffers comes within 5 s")
	}
}
