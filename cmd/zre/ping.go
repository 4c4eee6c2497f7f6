package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/internal/keyfiles"
	"github.com/go-zre/go-zre/zre"
)

// The lines of zre ping --json.
type (
	pingLine struct {
		Event     string  `json:"event"` // "ping"
		Peer      string  `json:"peer"`
		Name      string  `json:"name"`
		Transport string  `json:"transport"`
		RTT       float64 `json:"rtt_ms,omitempty"`
		Error     string  `json:"error,omitempty"`
	}

	pingSummary struct {
		Event    string  `json:"event"` // "summary"
		Sent     int     `json:"sent"`
		Answered int     `json:"answered"`
		Min      float64 `json:"min_ms"`
		Mean     float64 `json:"mean_ms"`
		Max      float64 `json:"max_ms"`
	}
)

func (p *pingSummary) add(ms float64) {
	p.Answered++
	if p.Answered == 1 || ms < p.Min {
		p.Min = ms
	}
	p.Max = max(p.Max, ms)
	p.Mean += (ms - p.Mean) / float64(p.Answered)
}

func (c *cli) ping() *cobra.Command {
	var asJSON bool
	count := 4
	every, timeout, wait := time.Second, 5*time.Second, waitTime
	cmd := &cobra.Command{
		Use:   "ping PEER [options]",
		Short: "Measures how long a node takes to answer.",
		Long: `Measures how long a node takes to answer a ZRE PING. This is the time of the network and the node, not of the node's program. All implementations answer.
PEER is a name, a UUID or the beginning of one, as for zre whisper.`,
		Example: `  zre ping alice
  zre ping alice --count 100 --every 10ms`,
		Annotations: map[string]string{
			noteExit: "0 the node answered; 1 it never answered, or is not present; 2 wrong usage",
			noteJSON: `With --json it prints an object for each PING: event (ping), peer, name, transport, and rtt_ms, or error if there was no answer. The last object has event (summary), sent, answered, min_ms, mean_ms and max_ms.`,
		},
		Args:              arguments(false, "PEER"),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	jsonFlag(cmd, &asJSON, "print a JSON object for each PING")
	numberFlag(cmd, &count, "count", "how many PINGs to send", 1, 1<<30)
	timeFlag(cmd, &every, "every", "time from one PING to the next", time.Millisecond)
	timeFlag(cmd, &timeout, "timeout", "how long to wait for an answer", time.Millisecond)
	timeFlag(cmd, &wait, "wait", "how long to look for the node", 0)
	flags := c.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return flags.withPeer(cmd, args[0], wait, func(s *session, peer *zre.Peer) error {
			return s.pingRepeatedly(cmd.Context(), peer, count, every, timeout, asJSON)
		})
	}
	return cmd
}

// pingRepeatedly sends pings and prints the answers.
func (s *session) pingRepeatedly(ctx context.Context, peer *zre.Peer, count int, every, timeout time.Duration, asJSON bool) error {
	sum := pingSummary{Event: "summary"}
	var err error
	for sum.Sent < count && (err == nil || !errors.Is(err, zre.ErrUnknownPeer)) {
		if sum.Sent > 0 && s.until(ctx, every, func() bool { return false }) != errTimeout {
			break
		}
		if ctx.Err() != nil {
			break
		}
		sum.Sent++
		l := pingLine{Event: "ping", Peer: peer.UUID.String(), Name: peer.Name, Transport: peer.Transport}
		var took time.Duration
		if took, err = s.pingOnce(ctx, peer, timeout); err != nil {
			l.Error = keyfiles.PlainError(err).Error()
		} else {
			l.RTT = float64(took.Nanoseconds()) / 1e6
			sum.add(l.RTT)
		}
		s.printPing(l, asJSON)
	}
	if asJSON {
		s.json(sum)
	} else if sum.Answered > 0 {
		s.printf("%d of %s answered; minimum %.3f ms, mean %.3f ms, maximum %.3f ms", sum.Answered, plural(sum.Sent, "PING"), sum.Min, sum.Mean, sum.Max)
	}
	if sum.Answered == 0 {
		return exitError(exitFailed)
	}
	return nil
}

func (s *session) pingOnce(ctx context.Context, peer *zre.Peer, timeout time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %v", timeout))
	defer cancel()
	took, err := s.node.Ping(ctx, peer.UUID)
	switch {
	case errors.Is(err, zre.ErrUnknownPeer):
		err = fmt.Errorf("it has left: %w", zre.ErrUnknownPeer)
	case err != nil && ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return took, err
}

func (s *session) printPing(l pingLine, asJSON bool) {
	switch {
	case asJSON:
		s.json(l)
	case l.Error != "":
		fmt.Fprintf(s.errs, "%s: %s: %s\n", s.cmd.CommandPath(), quoted(l.Name), l.Error)
	default:
		s.printf("%s by %s: %.3f ms", quoted(l.Name), l.Transport, l.RTT)
	}
}
