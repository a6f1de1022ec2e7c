package e2e

import "testing"

func (w *world) commands(t *testing.T)   {}
func (w *world) assist(t *testing.T)     {}
func (w *world) voice(t *testing.T)      {}
func (w *world) blueprints(t *testing.T) {}
func (w *world) dashboard(t *testing.T)  {}
func (w *world) statistics(t *testing.T) {}
func (w *world) lifeCycle(t *testing.T)  {}
func (w *world) links(t *testing.T)      {}
