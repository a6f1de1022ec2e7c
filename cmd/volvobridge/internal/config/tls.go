package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
)

// RootCAs reads a file of certificates; without one the system's count.
func RootCAs(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the file can't be read: %w", ofFile(err, file))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return pool, nil
}

// ofFile is an error of reading files, without their names if a key was put in place
// of one.
func ofFile(err error, names ...string) error {
	for _, name := range names {
		if strings.Contains(name, "-----") || strings.Contains(name, "\n") {
			return fmt.Errorf("it must name a file: %w", reason(err))
		}
	}
	return err
}

func Certificates(certFile, keyFile string) ([]tls.Certificate, error) {
	if certFile == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, ofFile(err, certFile, keyFile)
	}
	return []tls.Certificate{cert}, nil
}
