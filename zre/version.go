package zre

import (
	"cmp"
	"runtime/debug"
)

// version is set by release builds: -ldflags "-X github.com/go-zre/go-zre/zre.version=v1.2.3".
var version string

const modulePath = "github.com/go-zre/go-zre"

// Version returns the version of this module in the program, such as "v1.2.3": the one that the build of a release set, or the one that the go command
// recorded, or "(devel)" if there is neither.
func Version() string {
	info, _ := debug.ReadBuildInfo()
	return cmp.Or(version, recordedVersion(info), "(devel)")
}

// recordedVersion is the version recorded by the go command, or "" if there is none.
func recordedVersion(info *debug.BuildInfo) string {
	if info == nil {
		return ""
	}
	if info.Main.Path == modulePath {
		return info.Main.Version
	}
	for _, m := range info.Deps {
		if m.Path == modulePath {
			if m.Replace != nil {
				m = m.Replace
			}
			return m.Version
		}
	}
	return ""
}
