//go:build unix

package verify

import (
	"os/exec"
	"syscall"
)

// ownGroup makes the helper the leader of a process group, so that a kill reaches what it started.
func ownGroup(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
}

// endGroup ends what the helper left behind. The group's number cannot have been given to another
// while a member of it lives; with none left the call fails, as it should.
func endGroup(command *exec.Cmd) {
	if command.Process != nil {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	}
}
