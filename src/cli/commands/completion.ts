import { Argument, type Command } from 'commander'
import { bashCompletion } from '../completion/bash.ts'
import { fishCompletion } from '../completion/fish.ts'
import { levelsOf } from '../completion/words.ts'
import { zshCompletion } from '../completion/zsh.ts'
import type { CliContext } from '../context.ts'

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion }

export function addCompletion(program: Command, { terminal }: CliContext): void {
  program
    .command('completion')
    .summary('print a completion script for your shell')
    .description(
      'Prints a completion script for your shell:\n\n' +
        '  bash   eval "$(flotilla completion bash)"      in ~/.bashrc\n' +
        '  zsh    flotilla completion zsh > "${fpath[1]}/_flotilla"\n' +
        '  fish   flotilla completion fish > ~/.config/fish/completions/flotilla.fish',
    )
    .addArgument(new Argument('<shell>', 'bash, zsh, fish').choices(Object.keys(SHELLS)))
    .action((shell: keyof typeof SHELLS) => {
      terminal.out(SHELLS[shell](levelsOf(program)).trimEnd())
    })
}
