import { tryRecipe } from '../recipe.mjs'

// The routes are compiled to CommonJS, from which Node.js loads the package as an ES module.
if (!process.features.require_module) {
  console.warn('SKIPPED next: Node.js 20.19 or newer is needed (require of ES modules)')
  process.exit(process.env.CI ? 1 : 0)
}
await tryRecipe('next', { start: 'server.cjs', submit: '/refunds?order=8842', malformed: 400 })
