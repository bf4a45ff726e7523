import { CheqpointError } from '../index.js'

/** Loads an optional peer dependency. Rejects with `peer-missing`, which names the command that installs it. */
export async function loadPeer<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load()
  } catch (cause) {
    const install = 'npm install --save-dev hono @hono/node-server'
    throw new CheqpointError('peer-missing', `The simulator could not load ${name}. Install it: ${install}`, { cause })
  }
}
