"""The contract in OpenAPI 3.1, as each twin fulfils it; the twins themselves never look at it.

`answers` are the shapes of answers, `operations` the routes with their bodies and refusals, and
`document` puts both together with the models of the bodies. Tests hold running twins to it.
"""
