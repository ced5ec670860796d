package probes

// Alive is the answer to /livez of the given build: "ok" and, unless it is "", the build in a
// line of its own.
func Alive(build string) string {
	if build == "" {
		return "ok\n"
	}
	return "ok\n" + build + "\n"
}
