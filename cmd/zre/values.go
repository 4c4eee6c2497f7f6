package main

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// value is an option of a command that a function parses.
type value struct {
	word    string
	set     func(string) error
	current string
}

func (v *value) Set(s string) error { v.current = s; return v.set(s) }
func (v *value) String() string     { return v.current }
func (v *value) Type() string       { return v.word }

// funcFlag adds an option that a function parses.
func funcFlag(cmd *cobra.Command, name, word, usage string, set func(string) error) *pflag.Flag {
	return cmd.Flags().VarPF(&value{word: word, set: set}, name, "", usage)
}

func stringFlag(cmd *cobra.Command, into *string, name, word, usage string) *pflag.Flag {
	return funcFlag(cmd, name, word, usage, func(s string) error { *into = s; return nil })
}

// listFlag adds an option that can be repeated.
func listFlag(cmd *cobra.Command, into *[]string, name, word, usage string) {
	funcFlag(cmd, name, word, usage+"; repeatable", func(s string) error { *into = append(*into, s); return nil })
}

// switchFlag adds an on/off option that is off by default.
func switchFlag(cmd *cobra.Command, into *bool, name, usage string) {
	flag := funcFlag(cmd, name, "", usage, func(s string) (err error) {
		*into, err = parseSwitch(s)
		return err
	})
	flag.NoOptDefVal = "true"
}

func jsonFlag(cmd *cobra.Command, into *bool, usage string) { switchFlag(cmd, into, "json", usage) }

// withDefault appends the default to the usage of an option, unless it is the zero value.
func withDefault[T comparable](usage string, standard T) string {
	if standard == *new(T) {
		return usage
	}
	return fmt.Sprintf("%s (default %v)", usage, standard)
}

// numberFlag adds an option for a number from least to most. Its default is the number that into has.
func numberFlag(cmd *cobra.Command, into *int, name, usage string, least, most int) {
	funcFlag(cmd, name, "number", withDefault(usage, *into), func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return fmt.Errorf("want a number from %d to %d", least, most)
		}
		*into = n
		return nil
	})
}

// timeFlag adds an option for a duration from least to one hour. Its default is the duration that into has.
func timeFlag(cmd *cobra.Command, into *time.Duration, name, usage string, least time.Duration) {
	funcFlag(cmd, name, "time", withDefault(usage, *into), func(s string) (err error) {
		if *into, err = parseDuration(s); err == nil && (*into < least || *into > time.Hour) {
			err = fmt.Errorf("want %v to 1h", least)
		}
		return err
	})
}

func completeInterfaces(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
	list, _ := net.Interfaces() // if it fails there is nothing to offer
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
