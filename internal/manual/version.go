package manual

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/go-zre/go-zre/zre"
)

// Version describes this build: the module's version, the commit and the toolchain.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	return describe(zre.Version(), info)
}

func describe(version string, info *debug.BuildInfo) string {
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	text := version
	if commit := settings["vcs.revision"]; commit != "" {
		text += fmt.Sprintf(" (commit %.12s", commit)
		if settings["vcs.modified"] == "true" {
			text += ", modified"
		}
		text += ")"
	}
	return fmt.Sprintf("%s, %s, %s/%s", text, cmp.Or(info.GoVersion, runtime.Version()), runtime.GOOS, runtime.GOARCH)
}
