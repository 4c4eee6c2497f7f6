//lint:file-ignore SA1019 The dashboard is a classic one, which every version of Grafana imports.

// Package tools has tests with dependencies that the library must not have.
package tools

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	grafana "github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/prometheus/prometheus/promql/parser"
)

const dashboardFile = "../zre/zreprom/dashboard.json"

// Grafana's own types accept the dashboard, without unknown fields, and each of its expressions is PromQL.
func TestDashboard(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard.Dashboard
	if err := strict(new(dashboard.Dashboard), text); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil { // the strict decoder leaves panels out
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	// Grafana fills these in before it asks Prometheus.
	variables := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*")
	p := parser.NewParser(parser.Options{})
	count := 0
	for _, each := range d.Panels {
		if each.Panel == nil {
			continue
		}
		for _, target := range each.Panel.Targets {
			query, ok := target.(*grafana.Dataquery)
			if !ok {
				q, isValue := target.(grafana.Dataquery)
				if query = &q; !isValue {
					t.Errorf("%s: a target is a %T", *each.Panel.Title, target)
					continue
				}
			}
			count++
			if _, err := p.ParseExpr(variables.Replace(query.Expr)); err != nil {
				t.Errorf("%s: %s: %v", *each.Panel.Title, query.Expr, err)
			}
		}
	}
	if count < 20 {
		t.Errorf("%d expressions", count)
	}
	if _, err := p.ParseExpr("sum(rate(x[1m])"); err == nil {
		t.Error("the parser takes anything")
	}
	if err := strict(new(dashboard.Dashboard), bytes.Replace(text, []byte(`"panels"`), []byte(`"pannels"`), 1)); err == nil {
		t.Error("the types take anything")
	}
}

// strict decodes a dashboard. The decoder of rows returns an empty list of errors, not nil.
func strict(d *dashboard.Dashboard, text []byte) error {
	if err := d.UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
		return err
	}
	return nil
}
