package redact

import (
	"strings"
	"testing"
)

func TestRedact_FindsSecretsByTheirName(t *testing.T) {
	tests := []struct {
		kind     string
		secret   func(source) string
		contexts []string
	}{
		{"password", source.password, []string{
			"password = §", "password=§", "password: §", "PASSWORD=§", "export DB_PASSWORD='§'", "db_password: \"§\"", "DB_PASS=§", "pwd=§",
			`{"password":"§","user":"bob"}`, `{\"password\":\"§\",\"user\":\"bob\"}`, `{"userPassword" : "§"}`, "passwd: §\nnext: 1",
			"the password is §", "The password is §.", "the password for the staging db is `§`, ok?", "Password (prod): §", "the root password was changed to §",
			"**Password:** §", "**password**: `§`", "passphrase: \"§\"", "log in with password § please", "use the password \"§\"", "login: bob, pass: §",
			"run --password § --user bob", "run --password=§ --user bob", "run --db-password '§'", "mysql -u root -p'§' db", "mysql -uroot -p§ db", "sshpass -p § ssh x",
			"mysqldump --user=x -p\"§\"", "docker login -u bob -p § registry", "redis-cli -h cache -a § ping", "curl -u bob:§ https://x.test/", "curl --user 'bob:§' https://x.test/",
			"Server=db;User Id=sa;Password=§;Encrypt=true", "jdbc:postgresql://db/x?user=bob&password=§&ssl=true", "<password>§</password>",
			`<add key="Password" value="§" />`, "setPassword(\"§\")", `os.getenv("PASSWORD", "§")`, "${PASSWORD:-§}", "password: str = \"§\"",
			"const password string = \"§\"", "var password = \"§\";", "password := `§`", "config[\"password\"] = '§'", "| password | § |", "PASSWORD=§\\nHOST=x",
			"machine x login bob password §", "CREATE USER bob IDENTIFIED BY '§';", "ALTER ROLE bob WITH PASSWORD '§';", "if password == \"§\" {",
			"password=§, user=bob", "password=§ # gitleaks:allow", "(password: §)", "openssl rsa -passin pass:§ -in k", "PGPASSWORD=§ psql", "password => '§',",
		}},
		{"secret", func(r source) string { return r.of(base62, 24) }, []string{
			"secret = \"§\"", "client_secret: §", "CLIENT_SECRET=§", "SECRET_KEY='§'", "secretKey: '§'", "auth_token=§", "AUTH_TOKEN=§", "?token=§&x=1", "access_token: \"§\"",
			`{"refresh_token":"§"}`, "the token is §.", "the secret is `§`", "token := \"§\"", "run --token §", "Cookie: sessionid=§; theme=dark",
			"Set-Cookie: SESSION=§; HttpOnly", "//registry.test/:_authToken=§", "webhook_secret: §", "JWT_SECRET=§", "X-Auth-Token: §", "csrf_token=§&a=b",
		}},
		{"api-key", func(r source) string { return r.of(hexes, 32) }, []string{
			"api_key = \"§\"", "apikey=§", "API_KEY=§", "apiKey: '§'", "x-api-key: §", "-H 'X-Api-Key: §'", "my API key is §.", "api key: §", "access_key: §",
			`{"apiKey":"§"}`, "?api_key=§&q=x", "--api-key §", "ENCRYPTION_KEY=§", "signing-key: §",
		}},
		{"aws-access-key", func(r source) string { return r.of(base64s, 40) }, []string{
			"aws_secret_access_key = §", "AWS_SECRET_ACCESS_KEY=§", "\"SecretAccessKey\": \"§\"", "secret access key: §", "export AWS_SESSION_TOKEN=\"§\"",
		}},
		{"bearer-token", func(r source) string { return r.of(urls, 32) }, []string{
			"Authorization: Bearer §", "authorization: bearer §\nhost: x", "curl -H \"Authorization: Bearer §\" https://x.test/", "-H 'Authorization: token §'",
			`{"Authorization":"Bearer §"}`, `{\"Authorization\":\"Bearer §\"}`, "'Authorization': 'Basic §',", "Authorization: Basic §", "Authorization: §",
			`req.Header.Set("Authorization", "Bearer §")`, "send it as Bearer §, please", "Authorization=Bearer%20§",
		}},
		{"url-password", source.password, []string{
			"postgres://bob:§@db:5432/x?sslmode=disable", "DATABASE_URL=mysql://bob:§@tcp/x", "amqp://bob:§@mq:5672/vhost", "redis://:§@cache:6379/0",
			"https://bob:§@example.test/path", "(https://bob:§@example.test)", "mongodb+srv://bob:§@cluster.test/db", "\"jdbc:mysql://bob:§@db/x\"",
			"git clone https://oauth2:§@git.test/x.git", "ftp://bob:§@h, ftp", "mongodb://bob:§@h1:27017,h2:27017/x", "jdbc:oracle:thin:bob/§@//db:1521/x",
		}},
	}
	s := newScanner(t)
	for _, tt := range tests {
		for n := range 40 {
			secret := tt.secret(seeded(tt.kind, n))
			for _, c := range tt.contexts {
				wantSecret(t, s, strings.ReplaceAll(c, "§", secret), tt.kind, secret)
			}
		}
	}
}
