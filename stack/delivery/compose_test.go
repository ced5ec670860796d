package delivery

import (
	"bytes"
	"maps"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"go.temporal.io/sdk/client"
	"go.temporal.io/server/common/headers"
	"go.temporal.io/server/schema"
	"gopkg.in/yaml.v3"

	"tolem/api/hosts"
	"tolem/cmd/tolem/app"
)

const dockerFolder = "../../docker"

// project is compose.yaml as Docker would read it, every profile switched on, with these
// variables (NAME=value) and deaf to the environment.
func project(t *testing.T, variables ...string) *types.Project {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{filepath.Join(dockerFolder, "compose.yaml")}, cli.WithProfiles([]string{"*"}), cli.WithEnv(variables))
	require.NoError(t, err)
	p, err := o.LoadProject(t.Context())
	require.NoError(t, err)
	return p
}

// eachService runs a subtest for every service.
func eachService(t *testing.T, check func(*testing.T, *types.Project, types.ServiceConfig)) {
	t.Helper()
	p := project(t)
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		t.Run(name, func(t *testing.T) { check(t, p, p.Services[name]) })
	}
}

func built(s types.ServiceConfig) bool { return s.Build != nil }

// programs builds what the image holds, once for a test, into a folder.
func programs(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", folder+"/", "./cmd/tolem", "./simulators")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off") // as the Dockerfile says
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	return folder
}

// understood asks a program of ours for help with these arguments: it gives it only where
// command and flags are its own.
func understood(t *testing.T, folder string, line []string) {
	t.Helper()
	program := path.Base(line[0])
	require.Equal(t, "/usr/local/bin/"+program, line[0])
	out, err := exec.CommandContext(t.Context(), filepath.Join(folder, program), append(slices.Clone(line[1:]), "--help")...).CombinedOutput()
	require.NoError(t, err, string(out))
}

func TestCommandsAreTheBinarys(t *testing.T) {
	folder := programs(t)
	image := dockerfile(t)
	understood(t, folder, append(slices.Clone(image.entrypoint), image.command...))
	understood(t, folder, image.healthcheck)
	eachService(t, func(t *testing.T, _ *types.Project, s types.ServiceConfig) {
		if !built(s) {
			return
		}
		entrypoint := image.entrypoint
		if len(s.Entrypoint) > 0 {
			entrypoint = s.Entrypoint
		}
		understood(t, folder, append(slices.Clone(entrypoint), s.Command...))
	})
	wrong := exec.CommandContext(t.Context(), filepath.Join(folder, "tolem"), "wroker", "--help")
	require.Error(t, wrong.Run(), "a misspelt command is noticed")
}

// Every variable is one that the binary reads; with what the script makes for secrets, all
// of them together are a configuration that it takes.
func TestSettingsAreTheBinarys(t *testing.T) {
	secrets := makeSecrets(t)
	known := map[string]bool{}
	for _, v := range app.Variables() {
		known[v.Name] = true
		known[v.Name+"_FILE"] = v.Secret
	}
	for name := range dockerfile(t).env {
		require.True(t, known[name], name)
	}
	eachService(t, func(t *testing.T, p *types.Project, s types.ServiceConfig) {
		if !built(s) {
			return
		}
		env := map[string]string{}
		for name, value := range s.Environment {
			require.True(t, known[name], "nobody reads %s", name)
			require.NotNil(t, value, name)
			env[name] = *value
			if secret, ok := strings.CutPrefix(*value, "/run/secrets/"); ok {
				require.True(t, slices.ContainsFunc(s.Secrets, func(m types.ServiceSecretConfig) bool { return m.Source == secret }), "%s is not mounted", *value)
				env[name] = filepath.Join(secrets, secret)
			}
		}
		for _, c := range s.Configs {
			for name, value := range env {
				if value == c.Target {
					env[name] = p.Configs[c.Source].File
				}
			}
		}
		temporal := client.Options{HostPort: env["TEMPORAL_ADDRESS"]}
		_, err := app.Read(func(name string) string { return env[name] }, temporal)
		require.NoError(t, err)
		if temporal.HostPort != "" {
			delete(env, "ALLOW_PLAINTEXT")
			_, err = app.Read(func(name string) string { return env[name] }, temporal)
			require.ErrorContains(t, err, "ALLOW_PLAINTEXT=temporal", "what is not needed is not allowed")
		}
	})
}

// A container is not killed before its process has left, drained and stopped.
func TestGracePeriodsFit(t *testing.T) {
	eachService(t, func(t *testing.T, _ *types.Project, s types.ServiceConfig) {
		parts := map[string]app.Parts{"api": {API: true}, "worker": {Worker: true}, "serve": {API: true, Worker: true}}
		running, ok := parts[strings.Join(s.Command, " ")]
		if !built(s) || !ok {
			return
		}
		config, err := app.Read(func(name string) string {
			if value := s.Environment[name]; value != nil && !strings.HasPrefix(*value, "/") {
				return *value
			}
			return map[string]string{"CFRONT_AGREEMENT": filepath.Join(dockerFolder, "../cmd/tolem/app/agreement.json")}[name]
		}, client.Options{})
		require.NoError(t, err)
		require.NotNil(t, s.StopGracePeriod)
		require.Greater(t, time.Duration(*s.StopGracePeriod), config.StopLimit(running))
	})
}

// What is published on loopback answers to the names of this machine and of the network of
// compose.yaml alone.
func TestTheAPIHasNames(t *testing.T) {
	named := func(variables ...string) []string {
		names, err := hosts.Parse(*project(t, variables...).Services["api"].Environment["API_HOSTS"])
		require.NoError(t, err)
		return names
	}
	require.Equal(t, []string{"api"}, named())
	require.Equal(t, []string{"api", "tolem.bank"}, named("API_HOSTS=api,tolem.bank"))
}

// Temporal's UI only shows, until somebody asks for more; each of its variables is one that
// its own configuration reads.
func TestTemporalsUIOnlyShows(t *testing.T) {
	module := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/temporalio/ui-server/v2")
	module.Dir = ".."
	dir, err := module.Output()
	require.NoError(t, err)
	file := filepath.Join(strings.TrimSpace(string(dir)), "config", "docker.yaml") // that of the image
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	page, err := template.New("").Funcs(sprig.FuncMap()).Parse(string(text))
	require.NoError(t, err)
	for asked, onlyShows := range map[string]bool{"": true, "TEMPORAL_DISABLE_WRITE_ACTIONS=": true, "TEMPORAL_DISABLE_WRITE_ACTIONS=false": false} {
		t.Run(asked, func(t *testing.T) {
			for name, value := range project(t, asked).Services["temporal-ui"].Environment {
				require.Contains(t, string(text), `env "`+name+`"`, "nobody reads %s", name)
				t.Setenv(name, *value)
			}
			var rendered bytes.Buffer
			require.NoError(t, page.Execute(&rendered, nil))
			var read uiconfig.Config
			require.NoError(t, yaml.Unmarshal(rendered.Bytes(), &read))
			require.Equal(t, "temporal:7233", read.TemporalGRPCAddress)
			require.Equal(t, onlyShows, read.DisableWriteActions)
		})
	}
}

// What listens, what is asked whether it is healthy, and what is published, is one port.
func TestPortsAgree(t *testing.T) {
	p := project(t)
	at := func(service, variable string) string {
		host, port, err := net.SplitHostPort(*p.Services[service].Environment[variable])
		require.NoError(t, err)
		require.Equal(t, "0.0.0.0", host, "%s must be reached by its neighbours", service)
		return port
	}
	api := at("api", "API_ADDR")
	require.Contains(t, dockerfile(t).exposed, api)
	require.Equal(t, "http://api:"+api, *p.Services["api"].Environment["CFRONT_CALLBACK_URL"])
	simulators := slices.Index(p.Services["simulators"].Command, "--addr") + 1
	_, partners, err := net.SplitHostPort(p.Services["simulators"].Command[simulators])
	require.NoError(t, err)
	for service, port := range map[string]string{"api": api, "simulators": partners, "temporal": "7233"} {
		for _, published := range p.Services[service].Ports {
			require.Equal(t, port, strconv.Itoa(int(published.Target)), service)
			require.Equal(t, "127.0.0.1", published.HostIP, service)
		}
	}
	require.Equal(t, "temporal:7233", *p.Services["worker"].Environment["TEMPORAL_ADDRESS"])
	require.Contains(t, *p.Services["worker"].Environment["PROCESSING_URL"], "//simulators:"+partners+"/")
	require.Equal(t, "PLAINTEXT://"+*p.Services["worker"].Environment["KAFKA_BROKERS"], *p.Services["kafka"].Environment["KAFKA_ADVERTISED_LISTENERS"])
	require.Contains(t, p.Services["kafka-topics"].Command, *p.Services["worker"].Environment["LOXON_TOPIC"])

	scraped, err := os.ReadFile(filepath.Join(dockerFolder, "prometheus/prometheus.yml"))
	require.NoError(t, err)
	for service, port := range map[string]string{"api": api, "worker": at("worker", "METRICS_ADDR"), "temporal": at("temporal", "PROMETHEUS_ENDPOINT")} {
		require.Regexp(t, `names: \[`+service+`\], type: A, port: `+port+`\b`, string(scraped))
	}
}

// A condition that can never come true keeps a service from starting, silently.
func TestConditionsCanComeTrue(t *testing.T) {
	eachService(t, func(t *testing.T, p *types.Project, s types.ServiceConfig) {
		for name, dependency := range s.DependsOn {
			on := p.Services[name]
			switch dependency.Condition {
			case types.ServiceConditionHealthy:
				if built(on) && on.HealthCheck == nil { // the image's own
					require.NotEmpty(t, dockerfile(t).healthcheck, name)
					break
				}
				require.NotNil(t, on.HealthCheck, name)
				require.False(t, on.HealthCheck.Disable, name)
				require.NotEmpty(t, on.HealthCheck.Test, name)
			case types.ServiceConditionCompletedSuccessfully:
				require.Equal(t, "no", on.Restart, name)
			default:
				t.Errorf("%s is waited for without a condition", name)
			}
			require.Empty(t, on.Profiles, "%s may be off", name)
		}
	})
}

func TestNothingIsMissing(t *testing.T) {
	secrets := makeSecrets(t)
	p := project(t)
	for name, secret := range p.Secrets {
		require.FileExists(t, filepath.Join(secrets, name))
		require.Equal(t, "secrets/"+name, relative(t, secret.File))
	}
	for _, c := range p.Configs {
		require.FileExists(t, c.File)
	}
	for _, s := range p.Services {
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind {
				require.True(t, v.ReadOnly, v.Source)
				_, err := os.Stat(v.Source)
				require.NoError(t, err)
			} else {
				require.Contains(t, p.Volumes, v.Source)
			}
		}
	}
	schemas := schema.PathsByDB("postgresql")
	for _, name := range regexp.MustCompile(`--schema-name (\S+)`).FindAllStringSubmatch(strings.Join(p.Services["temporal-schema"].Command, " "), -1) {
		require.Contains(t, schemas, name[1])
	}
}

func TestContainersMayDoLittle(t *testing.T) {
	eachService(t, func(t *testing.T, _ *types.Project, s types.ServiceConfig) {
		require.True(t, s.ReadOnly)
		require.Equal(t, []string{"ALL"}, s.CapDrop)
		require.Empty(t, s.CapAdd)
		require.Contains(t, s.SecurityOpt, "no-new-privileges:true")
		require.Positive(t, s.MemLimit)
		require.False(t, s.Privileged)
	})
}

// exact is a tag that names one version.
var exact = regexp.MustCompile(`:v?\d+(\.\d+)+(@sha256:[0-9a-f]{64})?$`)

func TestImagesAreOfOneVersion(t *testing.T) {
	eachService(t, func(t *testing.T, _ *types.Project, s types.ServiceConfig) {
		if !built(s) {
			require.Regexp(t, exact, s.Image)
		}
	})
	p := project(t)
	require.Equal(t, "temporalio/server:"+headers.ServerVersion, p.Services["temporal"].Image)
	require.Equal(t, "temporalio/admin-tools:"+headers.ServerVersion, p.Services["temporal-schema"].Image)
	module, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	ui := regexp.MustCompile(`temporalio/ui-server/v2 v(\S+)`).FindSubmatch(module)
	require.Equal(t, "temporalio/ui:"+string(ui[1]), p.Services["temporal-ui"].Image)
}

// makeSecrets runs the script twice, which must not change a secret, and returns its folder.
func makeSecrets(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	var url string
	for range 2 {
		out, err := exec.CommandContext(t.Context(), "sh", filepath.Join(dockerFolder, "make-secrets.sh"), folder).CombinedOutput()
		require.NoError(t, err, string(out))
		content, err := os.ReadFile(filepath.Join(folder, "database_url"))
		require.NoError(t, err)
		require.True(t, url == "" || url == string(content))
		url = string(content)
	}
	return folder
}

// relative is a path from docker/.
func relative(t *testing.T, file string) string {
	t.Helper()
	base, err := filepath.Abs(dockerFolder)
	require.NoError(t, err)
	rel, err := filepath.Rel(base, file)
	require.NoError(t, err)
	return rel
}
