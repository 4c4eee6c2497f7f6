package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
)

// defaultConfig describes the location of the configuration file in the help.
const defaultConfig = "zre/config.toml in the user's configuration directory, such as ~/.config"

// configFile is the configuration file.
type configFile struct {
	Network  string                    // the default
	Networks map[string]map[string]any // by name; the keys are the names of node options
}

// network is one network of the configuration file.
type network struct {
	from   string // the file and the table, for errors
	values map[string][]string
}

// loadNetwork reads the named network from the configuration file. Without a name it reads the default network of the file, if any. A
// missing file is an error only if the caller asked for the file or for a network.
func loadNetwork(path, name string) (network, error) {
	asked := path != ""
	if !asked {
		dir, err := os.UserConfigDir()
		if err != nil && name != "" {
			return network{}, fmt.Errorf("--network %s: no configuration file: %w", name, err)
		}
		if err != nil {
			return network{}, nil
		}
		path = filepath.Join(dir, "zre", "config.toml")
	}
	file, err := readConfig(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !asked && name == "":
		return network{}, nil
	case errors.Is(err, fs.ErrNotExist) && !asked:
		return network{}, fmt.Errorf("--network %s: there is no configuration file %s", name, path)
	case err != nil:
		return network{}, err
	}
	if name == "" {
		name = file.Network
	}
	if name == "" {
		return network{}, nil
	}
	table, ok := file.Networks[name]
	if !ok {
		return network{}, fmt.Errorf("--network %s: %s has no [networks.%s]; it has %s", name, path, name, listOf(file.names(), "none"))
	}
	n := network{from: fmt.Sprintf("%s: networks.%s", path, name), values: make(map[string][]string)}
	for key, v := range table {
		list, err := configValues(v)
		if err != nil {
			return network{}, fmt.Errorf("%s.%s: %w", n.from, key, err)
		}
		n.values[key] = list
	}
	return n, nil
}

// readConfig reads a file and rejects unknown keys.
func readConfig(path string) (*configFile, error) {
	var file configFile
	meta, err := toml.DecodeFile(path, &file)
	var syntax toml.ParseError
	switch {
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("%s, line %d: %s", path, syntax.Position.Line, syntax.Message)
	case err != nil && errors.As(err, new(*fs.PathError)):
		return nil, fmt.Errorf("the configuration file: %w", err)
	case err != nil:
		return nil, fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "toml: "))
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("%s: there is no key %s; a configuration has network, and tables [networks.NAME]", path, unknown[0])
	}
	if kind := meta.Type("networks"); kind != "" && kind != "Hash" { // the decoder would ignore it
		return nil, fmt.Errorf("%s: networks: want tables [networks.NAME]", path)
	}
	known := make([]string, len(nodeOptions))
	for i, o := range nodeOptions {
		known[i] = o.name
	}
	for _, name := range file.names() {
		for key := range file.Networks[name] {
			if !slices.Contains(known, key) {
				text := fmt.Sprintf("%s: networks.%s: there is no key %s", path, name, key)
				if like := closest(key, known); like != "" {
					text += fmt.Sprintf("; did you mean %s?", like)
				}
				return nil, errors.New(text)
			}
		}
	}
	return &file, nil
}

// names returns the names of the networks, sorted.
func (f *configFile) names() (list []string) {
	for name := range f.Networks {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// configValues converts a value of the file to its form on the command line.
func configValues(v any) ([]string, error) {
	switch v := v.(type) {
	case string:
		return []string{v}, nil
	case int64:
		return []string{strconv.FormatInt(v, 10)}, nil
	case bool:
		return []string{strconv.FormatBool(v)}, nil
	case []any:
		var list []string
		for _, element := range v {
			one, err := configValues(element)
			if err != nil {
				return nil, err
			}
			list = append(list, one...)
		}
		return list, nil
	}
	return nil, errors.New("want a string, a number, true, false, or a list of these")
}

// listOf joins names with commas; it returns none for an empty list.
func listOf(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	return strings.Join(names, ", ")
}

// completeNetworks completes the names of networks in the configuration file.
func (f *nodeFlags) completeNetworks(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	path := f.config
	if path == "" {
		path = os.Getenv("ZRE_CONFIG")
	}
	if dir, err := os.UserConfigDir(); path == "" && err == nil {
		path = filepath.Join(dir, "zre", "config.toml")
	}
	file, err := readConfig(path)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return file.names(), cobra.ShellCompDirectiveNoFileComp
}
