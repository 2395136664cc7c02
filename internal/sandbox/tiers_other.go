//go:build !(linux && (amd64 || arm64))

package sandbox

import "runtime"

// Install is the way out where no sandbox is strong enough.
const Install = "there is no sandbox of our own on " + runtime.GOOS + "/" + runtime.GOARCH + ": run commands on a Linux machine with bubblewrap, or give the image of a container for Docker or Podman"

func tiers() []opener {
	return []opener{{Docker, openContainer("docker")}, {Podman, openContainer("podman")}}
}
