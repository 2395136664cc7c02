package daemon

import "testing"

func TestKeepHeadroom_LeavesTheSameRoomToManyAgentsAsToFew(t *testing.T) {
	const mb = 1 << 20
	for inUse, want := range map[uint64]int{0: 1000, mb: 1000, 4 * mb: 800, 32 * mb: 100, 64 * mb: 50, 100 * mb: 32, 1000 * mb: 25} {
		if got := percentFor(inUse); got != want {
			t.Errorf("with %d MB in use: %d %%, want %d %%", inUse/mb, got, want)
		}
	}
	if inUse() < mb/16 {
		t.Errorf("%d bytes in use: the runtime calls its measures otherwise now", inUse())
	}
}
