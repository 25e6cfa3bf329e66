// A shop whose sessions express-session keeps where it does by default: in the memory of this process.
const express = require('express')
const session = require('express-session')

const app = express()

app.use(session({
  secret: process.env.SECRET_KEY,
  resave: false,
  saveUninitialized: false
}))
app.use(express.urlencoded({ extended: false }))

function isAuthenticated (req, res, next) {
  if (req.session.username) next()
  else res.sendStatus(401)
}

app.get('/healthz', (req, res) => {
  res.send('ok')
})

app.get('/login', (req, res) => {
  res.send(`
    <form method="post">
      <p><input type="text" name="username">
      <p><input type="password" name="password">
      <p><input type="submit" value="Log in">
    </form>
  `)
})

app.post('/login', (req, res, next) => {
  // a new number for the session: against session fixation
  req.session.regenerate((err) => {
    if (err) return next(err)
    req.session.username = req.body.username
    req.session.cart = {}
    // saved before the browser follows to the next page
    req.session.save((err) => {
      if (err) return next(err)
      res.redirect('/cart')
    })
  })
})

app.post('/cart', isAuthenticated, (req, res) => {
  const { cart } = req.session
  cart[req.body.product] = (cart[req.body.product] || 0) + 1
  res.status(201).json({ cart })
})

app.get('/cart', isAuthenticated, (req, res) => {
  res.json({ username: req.session.username, cart: req.session.cart })
})

app.post('/logout', (req, res, next) => {
  req.session.destroy((err) => {
    if (err) return next(err)
    res.redirect('/login')
  })
})

const server = app.listen(process.env.PORT, process.env.HOST)

process.on('SIGTERM', () => {
  server.close()
})
