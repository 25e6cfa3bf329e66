// A shop whose sessions scs keeps where it does by default: in the memory of this process.
package main

import (
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alexedwards/scs/v2"
)

const loginPage = `
<form method="post">
  <p><input type="text" name="username">
  <p><input type="password" name="password">
  <p><input type="submit" value="Log in">
</form>
`

// cart holds how many of each product.
type cart map[string]int

var sessionManager *scs.SessionManager

func main() {
	gob.Register(cart{})

	sessionManager = scs.New()
	sessionManager.Lifetime = 24 * time.Hour

	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /login", showLogin)
	mux.HandleFunc("POST /login", login)
	mux.HandleFunc("GET /cart", loginRequired(showCart))
	mux.HandleFunc("POST /cart", loginRequired(addToCart))
	mux.HandleFunc("POST /logout", logout)

	server := &http.Server{
		Addr:    net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")),
		Handler: sessionManager.LoadAndSave(mux),
	}
	ended := make(chan struct{})
	go func() {
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		<-asked
		if err := server.Shutdown(context.Background()); err != nil {
			log.Print(err)
		}
		close(ended)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-ended
}

func healthz(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, "ok")
}

func showLogin(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, loginPage)
}

func login(w http.ResponseWriter, r *http.Request) {
	// A new token for the session: against session fixation.
	if err := sessionManager.RenewToken(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	sessionManager.Put(r.Context(), "username", r.PostFormValue("username"))
	sessionManager.Put(r.Context(), "cart", cart{})
	http.Redirect(w, r, "/cart", http.StatusSeeOther)
}

func loginRequired(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !sessionManager.Exists(r.Context(), "username") {
			http.Error(w, "log in first", http.StatusUnauthorized)
			return
		}
		next(w, r)
	}
}

func showCart(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"username": sessionManager.GetString(r.Context(), "username"),
		"cart":     sessionManager.Get(r.Context(), "cart"),
	})
}

func addToCart(w http.ResponseWriter, r *http.Request) {
	products := sessionManager.Get(r.Context(), "cart").(cart)
	products[r.PostFormValue("product")]++
	sessionManager.Put(r.Context(), "cart", products)
	answer(w, http.StatusCreated, map[string]any{"cart": products})
}

func logout(w http.ResponseWriter, r *http.Request) {
	if err := sessionManager.Destroy(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

func answer(w http.ResponseWriter, status int, content any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(content)
}
