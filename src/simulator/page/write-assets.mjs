/* Writes the module `assets.js` of a build, which holds the files of the simulator's page. `build:page` runs it. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

const page = 'dist/src/simulator/page'
const filesOf = (folder, ending) =>
  readdirSync(folder)
    .filter((name) => ending.test(name))
    .map((name) => [name, readFileSync(`${folder}/${name}`, 'utf8')])
const assets = [...filesOf('src/simulator/page/assets', /./), ...filesOf(`${page}/client`, /\.js$/)]
writeFileSync(
  `${page}/assets.js`,
  `const assets = new Map(${JSON.stringify(assets, null, 2)})\nexport const asset = (name) => assets.get(name)\n`,
)
rmSync(`${page}/client`, { recursive: true })
