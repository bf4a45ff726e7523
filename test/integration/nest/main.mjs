import { tryRecipe } from '../recipe.mjs'

await tryRecipe('nest', { start: '.tmp/main.js', submit: '/refunds/8842', malformed: 400 })
