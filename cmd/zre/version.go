package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version tells which build this is: the module's version, the commit, and what built it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	return describe(info)
}

func describe(info *debug.BuildInfo) string {
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	text := cmp.Or(info.Main.Version, "(devel)")
	if commit := settings["vcs.revision"]; commit != "" {
		text += fmt.Sprintf(" (commit %.12s", commit)
		if settings["vcs.modified"] == "true" {
			text += ", modified"
		}
		text += ")"
	}
	return fmt.Sprintf("%s, %s, %s/%s", text, info.GoVersion, runtime.GOOS, runtime.GOARCH)
}
