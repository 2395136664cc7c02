//go:build amd64 || arm64

package sandbox

// Install is the way out where no sandbox is strong enough.
const Install = "install bubblewrap 0.7 or newer (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap; Arch: pacman -S bubblewrap) on Linux 5.19 or newer, then see agentbridge doctor"

func tiers() []opener {
	return []opener{{Bubblewrap, openBubblewrap}, {Docker, openContainer("docker")}, {Podman, openContainer("podman")}, {Landlock, openBare}}
}
