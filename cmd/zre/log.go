package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/internal/termtext"
)

// levels are the values of --log.
var levels = []string{"debug", "info", "warn", "error"}

// logger logs to standard error from a level up; "" logs nothing. The writers in warned get the node's warnings too.
func logger(errs io.Writer, level string, warned ...zerolog.LevelWriter) (zerolog.Logger, error) {
	least := zerolog.Disabled
	if level != "" {
		if !slices.Contains(levels, level) {
			return zerolog.Nop(), usageErrorf("--log %q: choose %s", level, oneOf(levels))
		}
		var err error
		if least, err = zerolog.ParseLevel(level); err != nil {
			return zerolog.Nop(), err
		}
	}
	console := zerolog.ConsoleWriter{Out: plainLines{errs}, NoColor: true, TimeFormat: "15:04:05.000", TimeLocation: time.Local}
	writers := []io.Writer{&zerolog.FilteredLevelWriter{Writer: zerolog.LevelWriterAdapter{Writer: console}, Level: least}}
	for _, w := range warned {
		writers = append(writers, &zerolog.FilteredLevelWriter{Writer: w, Level: zerolog.WarnLevel})
		least = min(least, zerolog.WarnLevel)
	}
	return zerolog.New(zerolog.MultiLevelWriter(writers...)).Level(least).With().Timestamp().Logger(), nil
}

// WriteLevel implements zerolog.LevelWriter: a warning of the node becomes a problem event of the kind "warning". Problems and failures of
// beacons (which have a call) are not repeated, since they are events of their own.
func (p *piper) WriteLevel(_ zerolog.Level, text []byte) (int, error) {
	var l map[string]any
	if json.Unmarshal(text, &l) != nil || l["problem"] != nil || l["call"] != nil {
		return len(text), nil
	}
	message := fmt.Sprint(l["message"])
	if cause := l["error"]; cause != nil {
		message += fmt.Sprintf(": %v", cause)
	}
	for _, key := range slices.Sorted(maps.Keys(l)) {
		switch key {
		case "level", "time", "node", "message", "error":
		default:
			message += fmt.Sprintf("; %s: %v", key, l[key])
		}
	}
	p.warn(message)
	return len(text), nil
}

// Write implements io.Writer, which zerolog.LevelWriter requires.
func (p *piper) Write(text []byte) (int, error) { return p.WriteLevel(zerolog.WarnLevel, text) }

// plainLines removes from lines whatever could control a terminal.
type plainLines struct{ w io.Writer }

func (p plainLines) Write(text []byte) (int, error) {
	line := bytes.TrimSuffix(text, []byte("\n"))
	if _, err := io.WriteString(p.w, termtext.Text(string(line))+"\n"); err != nil {
		return 0, err
	}
	return len(text), nil
}
