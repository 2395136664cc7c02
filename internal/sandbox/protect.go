package sandbox

// Protected are the files and directories of a workspace that programs outside the sandbox execute, or take orders from, without
// being told to: when a directory is entered, a project opened, a commit made or a change pushed. Commands can read them; they can
// neither change, remove or rename them, nor make them where they do not exist. What only runs when a person starts it (Makefile,
// package.json, the code itself) is the work the command is there for, and stays writable.
//
// In .git it is config, hooks and what leads git to other such files; the rest of .git can be written, so that commits work. Where
// git's settings name other files of the workspace (core.hooksPath, include.path), these are protected, too.
var Protected = []string{
	"HEAD",             // git: with it, a workspace whose .git is broken becomes a repository itself, with settings of its own
	".vscode", ".idea", // editors
	".claude", ".mcp.json", ".codex", ".gemini", ".cursor", // agents' clients
	".github", ".gitlab-ci.yml", // the machines that build what is pushed
}

// ProtectedIfThere are further such files that do nothing in a project that does not use them yet, or not
// before a person agrees. They can be made, not changed.
var ProtectedIfThere = []string{
	".envrc", ".mise.toml", "mise.toml", ".devcontainer", ".devcontainer.json", ".exrc", ".nvim.lua", ".dir-locals.el", ".opencode", "opencode.json",
	".husky", ".pre-commit-config.yaml", "lefthook.yml", "Jenkinsfile", ".circleci", ".travis.yml", "azure-pipelines.yml", "bitbucket-pipelines.yml",
	".buildkite", ".forgejo", ".gitea", ".woodpecker", ".drone.yml",
}
