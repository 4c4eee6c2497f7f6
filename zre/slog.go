package zre

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/rs/zerolog"
)

// WithSlog makes the node log what it does to a slog.Logger, mostly at debug level. WithLogger does the same for zerolog; if both are used, the last
// one counts. The fields of a record are attributes: "node" is the name of the node, "peer" a UUID, "error" a cause. Records that the logger's
// handler does not enable cost nothing; it may enable them while the node runs (slog.LevelVar).
func WithSlog(log *slog.Logger) Option {
	return func(c *config) error {
		if log == nil {
			return errors.New("zre: WithSlog(nil): give a logger, or leave the option out")
		}
		c.Log = zerologOf(log.Handler())
		return nil
	}
}

// zerologOf returns a Logger that passes its records to a handler.
func zerologOf(h slog.Handler) zerolog.Logger {
	return zerolog.New(slogWriter{h}).Sample(slogSampler{h})
}

// A slogSampler asks the handler whether a level is enabled. zerolog calls it before it formats the fields.
type slogSampler struct{ handler slog.Handler }

func (s slogSampler) Sample(level zerolog.Level) bool {
	return s.handler.Enabled(context.Background(), slogLevel(level))
}

// A slogWriter passes zerolog's JSON records to a handler.
type slogWriter struct{ handler slog.Handler }

func (w slogWriter) Write(line []byte) (int, error) { return w.WriteLevel(zerolog.NoLevel, line) }

// WriteLevel implements zerolog.LevelWriter.
func (w slogWriter) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	ctx, to := context.Background(), slogLevel(level)
	if !w.handler.Enabled(ctx, to) { // if the program has switched sampling off
		return len(line), nil
	}
	message, attrs := "", []slog.Attr(nil)
	fields, err := parseFields(line)
	if err != nil { // not JSON: zerolog was built with another encoding
		message = string(bytes.TrimSpace(line))
	}
	for _, a := range fields {
		switch a.Key {
		case zerolog.LevelFieldName:
		case zerolog.MessageFieldName:
			message = a.Value.String()
		default:
			attrs = append(attrs, a)
		}
	}
	record := slog.NewRecord(time.Now(), to, message, 0)
	record.AddAttrs(attrs...)
	return len(line), w.handler.Handle(ctx, record)
}

// slogLevel returns the corresponding level.
func slogLevel(level zerolog.Level) slog.Level {
	switch {
	case level == zerolog.NoLevel:
		return slog.LevelInfo
	case level <= zerolog.TraceLevel:
		return slog.LevelDebug - 4
	}
	return slog.LevelDebug + 4*slog.Level(level-zerolog.DebugLevel)
}

// parseFields returns the members of a JSON object, in order.
func parseFields(object []byte) ([]slog.Attr, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	d.UseNumber()
	v, err := parseValue(d)
	if err != nil {
		return nil, err
	}
	if v.Kind() != slog.KindGroup {
		return nil, errors.New("zre: a log record is no object")
	}
	return v.Group(), nil
}

// parseValue returns the next JSON value for slog. An object becomes a group.
func parseValue(d *json.Decoder) (slog.Value, error) {
	token, err := d.Token()
	if err != nil {
		return slog.Value{}, err
	}
	switch t := token.(type) {
	case json.Number:
		return numberValue(string(t)), nil
	case json.Delim:
		if t == '{' {
			return parseObject(d)
		}
		return parseList(d)
	}
	return slog.AnyValue(token), nil
}

// parseObject parses the rest of an object after its opening brace.
func parseObject(d *json.Decoder) (slog.Value, error) {
	attrs := make([]slog.Attr, 0, 8)
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return slog.Value{}, err
		}
		value, err := parseValue(d)
		if err != nil {
			return slog.Value{}, err
		}
		attrs = append(attrs, slog.Attr{Key: key.(string), Value: value})
	}
	_, err := d.Token()
	return slog.GroupValue(attrs...), err
}

// parseList parses the rest of a list after its opening bracket.
func parseList(d *json.Decoder) (slog.Value, error) {
	list := []any{}
	for d.More() {
		value, err := parseValue(d)
		if err != nil {
			return slog.Value{}, err
		}
		list = append(list, value.Any())
	}
	_, err := d.Token()
	return slog.AnyValue(list), err
}

func numberValue(s string) slog.Value {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return slog.Int64Value(n)
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return slog.Uint64Value(n)
	}
	n, _ := strconv.ParseFloat(s, 64)
	return slog.Float64Value(n)
}
