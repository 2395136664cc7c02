//go:build !linux && !darwin

package cli

// dropTyped does nothing here: there is no controlling terminal that a person is asked at.
func dropTyped(int) {}
