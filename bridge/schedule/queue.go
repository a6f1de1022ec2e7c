package schedule

// queue is a heap of what is to be read, the first on top.
type queue []*item

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return before(q[i], q[j]) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements [heap.Interface].
func (q *queue) Push(x any) {
	it := x.(*item) // nothing else is in it
	it.index = len(*q)
	*q = append(*q, it)
}

// Pop implements [heap.Interface].
func (q *queue) Pop() any {
	last := len(*q) - 1
	it := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return it
}

// before orders a queue: what waits longest comes first.
func before(a, b *item) bool {
	if !a.wake.Equal(b.wake) {
		return a.wake.Before(b.wake)
	}
	return a.order < b.order
}
