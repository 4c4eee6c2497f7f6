package netmap

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

const patience = 30 * time.Second

// browser is a headless Chromium, driven by its DevTools protocol on a pipe: JSON objects, each followed by a NUL.
type browser struct {
	t       *testing.T
	to      io.Writer
	answers chan answer
	session string
	last    int

	mu       sync.Mutex
	troubles []string // exceptions and violations of the Content-Security-Policy
}

type answer struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// startBrowser starts a browser with an empty page.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		testbed.Missing(t, "chromium, which `make peers` installs")
	}
	commands, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, answers, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "zre-map-browser")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars",
		"--force-device-scale-factor=1", "--user-data-dir="+folder, "about:blank")
	cmd.ExtraFiles = []*os.File{commands, answers}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	commands.Close()
	answers.Close()
	b := &browser{t: t, to: to, answers: make(chan answer, 100)}
	go b.read(from)
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // with its helper processes
		_ = cmd.Wait()
		to.Close()
		from.Close()
		_ = os.RemoveAll(folder) // a helper process may still write there
	})
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	b.session = session.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// read reads the browser's messages until it ends.
func (b *browser) read(from io.Reader) {
	defer close(b.answers)
	r := bufio.NewReader(from)
	for {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var a answer
		if json.Unmarshal(text[:len(text)-1], &a) != nil {
			return
		}
		switch {
		case a.ID > 0:
			b.answers <- a
		case a.Method == "Runtime.exceptionThrown", a.Method == "Log.entryAdded":
			b.mu.Lock()
			b.troubles = append(b.troubles, string(a.Params))
			b.mu.Unlock()
		}
	}
}

// call executes a command.
func (b *browser) call(method string, params map[string]any, result any) {
	b.t.Helper()
	b.last++
	request := map[string]any{"id": b.last, "method": method}
	if params != nil {
		request["params"] = params
	}
	if b.session != "" {
		request["sessionId"] = b.session
	}
	text, err := json.Marshal(request)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case a, ok := <-b.answers:
			switch {
			case !ok:
				b.t.Fatalf("%s: the browser ended", method)
			case a.ID != b.last:
				continue
			case a.Error != nil:
				b.t.Fatalf("%s: %s", method, a.Error.Message)
			case result != nil:
				if err := json.Unmarshal(a.Result, result); err != nil {
					b.t.Fatalf("%s: %v", method, err)
				}
			}
			return
		case <-timer.C:
			b.t.Fatalf("%s: no answer within %v", method, patience)
		}
	}
}

// frame sets the size of the page and whether it is dark.
func (b *browser) frame(width, height int, dark bool) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

func (b *browser) open(url string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": url}, nil)
}

// eval runs JavaScript, waits for the result if it is a promise, and decodes its value.
func (b *browser) eval(script string, value any) {
	b.t.Helper()
	var r struct {
		Result struct {
			Value json.RawMessage
		}
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", script, r.ExceptionDetails)
	}
	if value != nil {
		if err := json.Unmarshal(r.Result.Value, value); err != nil {
			b.t.Fatalf("%s: %s: %v", script, r.Result.Value, err)
		}
	}
}

// until waits until a JavaScript condition holds.
func (b *browser) until(condition string) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		var holds bool
		b.eval(fmt.Sprintf("new Promise((done) => setTimeout(() => done(Boolean(%s)), 50))", condition), &holds)
		switch {
		case holds:
			return
		case time.Now().After(deadline):
			var text string
			b.eval("document.body.innerText", &text)
			b.t.Fatalf("not reached: %s\nthe page: %s\ntroubles: %s", condition, text, b.troubles)
		}
	}
}

// screenshot returns a PNG. With ZRE_SCREENSHOTS it also saves it in that folder.
func (b *browser) screenshot(name string) []byte {
	b.t.Helper()
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	data, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	if folder := os.Getenv("ZRE_SCREENSHOTS"); folder != "" {
		if err := os.WriteFile(folder+"/"+name+".png", data, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	return data
}

// calm fails the test if there were exceptions or policy violations.
func (b *browser) calm() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, trouble := range b.troubles {
		b.t.Errorf("the page: %s", trouble)
	}
}
