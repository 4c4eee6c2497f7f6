package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// resolved returns the values of the node options after the command line, the environment and the configuration file.
func resolved(t *testing.T, args ...string) (map[string]string, error) {
	t.Helper()
	cmd := &cobra.Command{Use: "test"}
	f := new(cli).nodeFlags(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		return nil, err
	}
	if err := f.resolve(cmd); err != nil {
		return nil, err
	}
	values := make(map[string]string)
	for _, v := range f.values {
		if v.set != nil {
			values[v.name] = strings.Join(v.set, " ")
		}
	}
	return values, nil
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const labConfig = `
network = "lab"

[networks.lab]
port = 5000
interface = ["eth0", "en*"]
no-beacons = true
interval = "2s"

[networks.home]
peer = "tcp://127.0.0.1:5671"
no-beacons = false
`

// The command line overrides the environment, which overrides the configuration file.
func TestPrecedence(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	config := writeConfig(t, labConfig)
	for _, test := range []struct {
		name, args, env string
		want            string // name=values, in the order of the options
	}{
		{"nothing", "", "", ""},
		{"the file's network", "--config " + config, "", "interface=eth0 en*; port=5000; no-beacons=true; interval=2s"},
		{"another network", "--config " + config + " --network home", "", "peer=tcp://127.0.0.1:5671; no-beacons=false"},
		{"the file and the network by environment", "", "ZRE_CONFIG=" + config + " ZRE_NETWORK=home", "peer=tcp://127.0.0.1:5671; no-beacons=false"},
		{"environment", "", "ZRE_PORT=6000 ZRE_INTERFACE=a,b ZRE_GOSSIP_CONNECT=tcp://hub:1", "interface=a b; port=6000; gossip-connect=tcp://hub:1"},
		{"environment before file", "--config " + config, "ZRE_PORT=6000 ZRE_INTERFACE=lo", "interface=lo; port=6000; no-beacons=true; interval=2s"},
		{"command line before all", "--port 7000 --interface x --no-beacons=false --config " + config, "ZRE_PORT=6000 ZRE_INTERFACE=lo",
			"interface=x; port=7000; no-beacons=false; interval=2s"},
		{"the last of one, all of many", "--port 1 --port 2 --header a=1 --header b=2", "", "port=2; header=a=1 b=2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for setting := range strings.FieldsSeq(test.env) {
				name, value, _ := strings.Cut(setting, "=")
				t.Setenv(name, value)
			}
			values, err := resolved(t, strings.Fields(test.args)...)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range nodeOptions {
				if v, ok := values[o.name]; ok {
					got = append(got, o.name+"="+v)
				}
			}
			if strings.Join(got, "; ") != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// An error in the configuration file or the environment names its place.
func TestWrongConfig(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	for _, test := range []struct{ name, config, args, env, says string }{
		{"syntax", "network = ", "", "", "config.toml, line 1: "},
		{"an unknown key", "netwrok = 'lab'", "", "", "there is no key netwrok; a configuration has network, and tables"},
		{"an unknown option", "[networks.lab]\nprot = 1", "", "", "networks.lab: there is no key prot; did you mean port?"},
		{"an unknown option of another network", "network = 'home'\n[networks.home]\n[networks.lab]\nxyzzy = 1", "", "", "networks.lab: there is no key xyzzy"},
		{"a bad value", "network = 'lab'\n[networks.lab]\nport = 'http'", "", "", `networks.lab.port "http": want 1 to 55535`},
		{"a bad type", "network = 'lab'\n[networks.lab]\nport = 1.5", "", "", "networks.lab.port: want a string, a number, true, false, or a list"},
		{"no such network", labConfig, "--network office", "", "has no [networks.office]; it has home, lab"},
		{"no such default", "network = 'lab'", "", "", "has no [networks.lab]; it has none"},
		{"networks is no table", "networks = 5", "", "", "networks"},
		{"environment", "", "", "ZRE_PORT=http", `ZRE_PORT "http": want 1 to 55535`},
		{"a switch", "", "", "ZRE_NO_BEACONS=perhaps", `ZRE_NO_BEACONS "perhaps": want true or false`},
		{"one of a list", "", "", "ZRE_PEER=tcp://a:1,b", `ZRE_PEER "b": want tcp://HOST:PORT`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("ZRE_CONFIG", writeConfig(t, test.config))
			if name, value, ok := strings.Cut(test.env, "="); ok {
				t.Setenv(name, value)
			}
			status, out, errs := runZre(append([]string{"ls"}, strings.Fields(test.args)...)...)
			if status != exitUsage || out != "" || !strings.Contains(errs, test.says) || strings.Count(errs, "\n") != 1 {
				t.Errorf("status %d, %q, %q; want it to say %q", status, out, errs, test.says)
			}
		})
	}
}

// Each node option has its own environment variable, distinct from those that zre on sets for a program.
func TestEnvironmentNames(t *testing.T) {
	seen := map[string]bool{"ZRE_NETWORK": true, "ZRE_CONFIG": true, "ZRE_LOG": true}
	for i := range nodeOptions {
		name := nodeOptions[i].environment()
		if seen[name] || strings.HasPrefix(name, "ZRE_EVENT") || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") != "" {
			t.Errorf("%s", name)
		}
		seen[name] = true
	}
}
