package domain

import "testing"

// RFC 3986, 5.2.4: "." and ".." are removed from a path, with what stands before "..".
func TestSafeInPath(t *testing.T) {
	for name, want := range map[string]bool{
		"17": true, "17/1": true, "КД/5": true, "...": true, "a..b": true, ".a": true, "..a/b..": true, "%2E%2E": true, "/a": true, "a//b": true,
		".": false, "..": false, "a/../b": false, "./a": false, "a/.": false, "../../admin": false, `a\..\b`: false, `..\b`: false, "/..": false,
	} {
		if SafeInPath(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
