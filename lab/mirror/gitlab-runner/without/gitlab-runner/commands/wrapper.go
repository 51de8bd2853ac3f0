package commands

// There is no command `wrapper`: the module of its API cannot be had.
