package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/arch" // each kind of package registers itself
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

const maintainer = "The volvobridge project <volvobridge@users.noreply.github.com>"

// kinds are the kinds of packages, for Debian, Fedora and Arch, and how their names end.
var kinds = map[string]string{"deb": ".deb", "rpm": ".rpm", "archlinux": ".pkg.tar.zst"}

// packages writes the packages of a target.
func (r *release) packages(t target, all []file) error {
	for kind := range kinds {
		if kind == "archlinux" && t.arm == "6" {
			continue // Arch has no such processor
		}
		if err := r.pack(kind, t, all); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) pack(kind string, t target, all []file) error {
	info, err := r.describe(kind, t, all)
	if err != nil {
		return err
	}
	packager, err := nfpm.Get(kind)
	if err != nil {
		return err
	}
	if err := nfpm.PrepareForPackager(info, kind); err != nil {
		return err
	}
	f, err := os.Create(r.name(t) + kinds[kind])
	if err != nil {
		return err
	}
	return errors.Join(packager.Package(info, f), f.Close())
}

// describe says what a package is and what is in it.
func (r *release) describe(kind string, t target, all []file) (*nfpm.Info, error) {
	scripts := filepath.Join(r.source, "packaging/linux")
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "volvobridge", Arch: t.arch + t.arm, Platform: "linux", Version: r.version, MTime: r.time,
		Section: "net", Priority: "optional", Maintainer: maintainer, Vendor: "The volvobridge project",
		Homepage:    "https://github.com/" + r.owner + "/volvobridge",
		Description: "Brings Volvos into Home Assistant over MQTT\nIt reads the cars of a Volvo ID from Volvo's cloud, publishes them to an MQTT\nbroker with Home Assistant discovery, and runs commands that come over MQTT.",
		Overridables: nfpm.Overridables{
			Recommends: []string{"ca-certificates"},
			Scripts:    nfpm.Scripts{PostInstall: filepath.Join(scripts, "postinst.sh"), PreRemove: filepath.Join(scripts, "prerm.sh"), PostRemove: filepath.Join(scripts, "postrm.sh")},
			RPM:        nfpm.RPM{BuildHost: "localhost", Summary: "Brings Volvos into Home Assistant over MQTT", Packager: maintainer},
			Deb:        nfpm.Deb{Compression: "xz"},
		},
	})
	if kind != "deb" { // Debian has the file copyright for it
		info.License = "see THIRD_PARTY_LICENSES and the project"
	}
	if kind == "archlinux" {
		info.Scripts = nfpm.Scripts{PostInstall: filepath.Join(scripts, "arch-install.sh"), PreRemove: filepath.Join(scripts, "arch-remove.sh")}
		info.ArchLinux = nfpm.ArchLinux{Packager: maintainer, Scripts: nfpm.ArchLinuxScripts{PostUpgrade: filepath.Join(scripts, "arch-upgrade.sh")}}
	}
	for _, f := range all {
		if f.path == "" || strings.Contains(f.path, "lintian") && kind != "deb" {
			continue
		}
		source, err := r.aside(f)
		if err != nil {
			return nil, err
		}
		content := &files.Content{Source: source, Destination: f.path, FileInfo: &files.ContentFileInfo{Mode: f.mode, MTime: r.time, Owner: "root", Group: "root"}}
		if f.config {
			content.Type = files.TypeConfigNoReplace
		}
		info.Contents = append(info.Contents, content)
	}
	return info, nil
}

// aside writes a file where the packager reads it.
func (r *release) aside(f file) (string, error) {
	name := filepath.Join(r.scratch, "root", f.path)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return "", err
	}
	return name, os.WriteFile(name, f.data, 0o644)
}
