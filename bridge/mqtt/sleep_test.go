package mqtt

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestSleepWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w sleepWatch
		go w.run(t.Context())
		for range 100 {
			time.Sleep(7 * time.Second)
			if w.look(time.Now()) {
				t.Fatal("nobody slept")
			}
		}
		awake := time.Now()
		if !w.look(awake.Add(20 * time.Second)) { // the machine slept: nothing ticked
			t.Error("20 s were not noticed")
		}
		if !w.look(awake.Add(24*time.Second)) || w.look(awake.Add(26*time.Second)) {
			t.Error("what lay in buffers comes within 5 s")
		}
	})
}
