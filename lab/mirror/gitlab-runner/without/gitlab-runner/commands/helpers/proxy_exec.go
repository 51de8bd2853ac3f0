package helpers

// There is no command `proxy-exec`, which hides what a job declares a secret while it runs: phrasestream, the module that it
// does so with, cannot be had. It is an experiment that `proxy_exec = true` of config.toml asks for.
