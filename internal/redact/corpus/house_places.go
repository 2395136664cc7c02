package corpus

const dashes = "-----" // apart from BEGIN, so that no scanner sees a key here

func begin(label string) string { return dashes + "BEGIN " + label + dashes }
func end(label string) string   { return dashes + "END " + label + dashes }

// block are the texts of a PEM block with this label, whole, in code, and cut off.
func block(label string) []string {
	return []string{
		begin(label) + "\n§\n" + end(label) + "\n",
		"here is the key:\n\n```\n" + begin(label) + "\n§\n" + end(label) + "\n```\nput it on the runner",
		"const key = `" + begin(label) + "\n§\n" + end(label) + "`;",
		begin(label) + "\n§", // cut off: no END follows
		"$ cat id\n" + begin(label) + "\n§\n[output cut]",
	}
}

// inJSON are the texts of a PEM block whose lines are joined by \n.
func inJSON(label string) []string {
	return []string{
		`{"type":"service_account","project_id":"acme-prod","private_key":"` + begin(label) + `\n§\n` + end(label) + `\n","client_email":"ci@acme.example"}`,
		`PRIVATE_KEY="` + begin(label) + `\n§\n` + end(label) + `\n"`,
		`private_key: "` + begin(label) + `\n§\n` + end(label) + `\n"`,
		`{"key":"` + begin(label) + `\n§`,
	}
}

// inURL are the texts of a URL with a password.
func inURL(url string) []string {
	return []string{
		url,
		"DATABASE_URL=" + url + " go test ./...",
		"could not connect to " + url + ", retrying in 5s",
		"  url: \"" + url + "\"\n  pool: 5",
		"{\"url\":\"" + url + "\"}",
	}
}

// byPlace are secrets that the text around them gives away, and their texts.
var byPlace = []place{
	// addresses
	{"postgres-url", "{@pw}", inURL("postgres://{@user}:§@{@host}:5432/orders?sslmode=require")},
	{"postgresql-asyncpg-url", "{@human}", inURL("postgresql+asyncpg://{@user}:§@{@host}/orders")},
	{"mysql-url", "{@pw}", inURL("mysql://{@user}:§@{@host}:3306/shop")},
	{"mysql-dsn", "{w16}", inURL("{@user}:§@tcp({@host}:3306)/shop?parseTime=true")},
	{"mongodb-url", "{w18}", inURL("mongodb://{@user}:§@{@host}:27017,{@host}:27017/admin?replicaSet=rs0")},
	{"mongodb-srv-url", "{w16}", inURL("mongodb+srv://{@user}:§@cluster0.ab1cd.mongodb.net/app")},
	{"redis-url", "{w32}", inURL("redis://:§@{@host}:6379/0")},
	{"rediss-url", "{w40}", inURL("rediss://default:§@{@host}:6380")},
	{"amqp-url", "{@pw}", inURL("amqp://{@user}:§@{@host}:5672/vhost")},
	{"amqps-url", "{u20}", inURL("amqps://{@user}:§@{@host}/prod")},
	{"nats-url", "{w22}", inURL("nats://{@user}:§@{@host}:4222")},
	{"ftp-url", "{@human}", inURL("ftp://{@user}:§@{@host}/incoming/")},
	{"sftp-url", "{@pw}", inURL("sftp://{@user}:§@{@host}:22/data")},
	{"smtp-url", "{w20}", inURL("smtp://{@user}:§@{@host}:587")},
	{"ldap-url", "{@human}", inURL("ldaps://cn=admin:§@{@host}:636")},
	{"https-url", "{@pw}", inURL("https://{@user}:§@{@host}/v2/")},
	{"git-url", "{w40}", inURL("https://x-access-token:§@git.example.com/acme/app.git")},
	{"git-url-token-only", "{w40}", inURL("https://oauth2:§@gitlab.example.com/acme/app.git")},
	{"proxy-url", "{@pw}", inURL("http://{@user}:§@proxy.corp.example:3128")},
	{"clickhouse-url", "{w20}", inURL("clickhouse://{@user}:§@{@host}:9440/logs")},
	{"mssql-url", "{w20}", inURL("sqlserver://{@user}:§@{@host}:1433?database=erp")},
	{"snowflake-url", "{w20}", inURL("snowflake://{@user}:§@acme-eu1/PROD/PUBLIC")},
	{"neo4j-url", "{w20}", inURL("neo4j+s://neo4j:§@{@host}:7687")},
	{"cloudinary-url", "{u27}", inURL("cloudinary://{d15}:§@acme")},
	{"sentry-dsn-secret", "{h32}", inURL("https://{h32}:§@sentry.example.com/42")},
	{"percent-encoded-url", "p%40{w10}%2F{w4}", inURL("postgres://{@user}:§@{@host}/orders")},
	{"url-in-jdbc-userinfo", "{w18}", inURL("jdbc:mysql://{@user}:§@{@host}/shop")},
	{"jdbc-parameters", "{w18}", inURL("jdbc:postgresql://{@host}:5432/orders?user={@user}&password=§&ssl=true")},
	{"jdbc-sqlserver", "{@pw}", inURL("jdbc:sqlserver://{@host}:1433;databaseName=erp;user={@user};password=§;encrypt=true")},
	{"jdbc-oracle", "{w16}", inURL("jdbc:oracle:thin:{@user}/§@//{@host}:1521/ORCL")},
	{"url-query-token", "{w40}", inURL("https://{@host}/hook?team=7&access_token=§&v=2")},
	{"url-query-key", "{u39}", inURL("https://maps.example.com/api/js?api_key=§&libraries=places")},
	{"presigned-s3", "{h64}", inURL("https://acme.s3.amazonaws.com/dump.sql?X-Amz-Date=20261120T091403Z&X-Amz-Expires=3600&X-Amz-Signature=§")},
	{"azure-sas", "{b43}%3D", inURL("https://acme.blob.core.windows.net/backup?sv=2024-11-04&ss=b&srt=sco&sp=rl&se=2027-01-01T00:00:00Z&sig=§")},
	{"azure-function-key", "{u54}==", inURL("https://acme.azurewebsites.net/api/orders?code=§")},
	// connection strings
	{"azure-account-key", "{b86}==", []string{
		"DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=§;EndpointSuffix=core.windows.net",
		"AZURE_STORAGE_CONNECTION_STRING=\"DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=§;EndpointSuffix=core.windows.net\"",
		"{\"AzureWebJobsStorage\":\"AccountName=acme;AccountKey=§\"}",
		"var conn = \"AccountName=acme;AccountKey=§\";",
	}},
	{"azure-service-bus", "{b43}=", []string{
		"Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=§",
		"SERVICEBUS=\"Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=§;EntityPath=orders\"",
		"{\"conn\":\"HostName=acme.azure-devices.net;DeviceId=d1;SharedAccessKey=§\"}",
		"the hub is Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=x;SharedAccessKey=§, ok?",
	}},
	{"azure-cosmos", "{b86}==", []string{
		"AccountEndpoint=https://acme.documents.azure.com:443/;AccountKey=§;",
		"COSMOS=\"AccountEndpoint=https://acme.documents.azure.com:443/;AccountKey=§\"",
		"new CosmosClient(\"AccountEndpoint=https://acme.documents.azure.com:443/;AccountKey=§;\")",
		"cosmos: AccountEndpoint=https://acme.documents.azure.com:443/;AccountKey=§",
	}},
	{"ado-net", "{@pw}", []string{
		"Server=tcp:{@host},1433;Database=erp;User ID=sa;Password=§;Encrypt=True;",
		"{\"ConnectionStrings\":{\"Default\":\"Server=.;Database=erp;User Id=sa;Password=§\"}}",
		"Data Source={@host};Initial Catalog=erp;User ID=sa;Pwd=§;",
		"Driver={ODBC Driver 18 for SQL Server};Server={@host};UID=sa;PWD=§;",
	}},
	{"libpq", "{@pw}", []string{
		"host={@host} port=5432 user={@user} password=§ dbname=orders sslmode=disable",
		"dsn := \"host={@host} user={@user} password='§' dbname=orders\"",
		"psql \"host={@host} user={@user} password=§\"",
		"db, err := sql.Open(\"pgx\", \"user={@user} password=§ host=/tmp\")",
	}},
	// keys in blocks
	{"pem-rsa", "{@pem}", block("RSA PRIVATE KEY")},
	{"pem-pkcs8", "{@pem}", block("PRIVATE KEY")},
	{"pem-encrypted", "{@pem}", block("ENCRYPTED PRIVATE KEY")},
	{"pem-ec", "{@pem}", block("EC PRIVATE KEY")},
	{"pem-openssh", "b3BlbnNzaC1rZXktdjEAAAAA{b44}\n{@pem}", block("OPENSSH PRIVATE KEY")},
	{"pgp-private", "{@pem}", block("PGP PRIVATE KEY BLOCK")},
	{"pem-json", "{@pemline}", inJSON("PRIVATE KEY")},
	{"pem-rsa-json", "{@pemline}", inJSON("RSA PRIVATE KEY")},
	{"putty", "{b64}\n{b64}\n{b40}==", []string{
		"PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nComment: ci\nPrivate-Lines: 3\n§\nPrivate-MAC: {h64}",
		"PuTTY-User-Key-File-2: ssh-ed25519\nEncryption: none\nPrivate-Lines: 3\n§\n",
		"Private-Lines: 3\n§\nPrivate-MAC: {h40}",
		"key.ppk:\n\nPrivate-Lines: 3\n§",
	}},
	{"jwk-private", "{u43}", []string{
		`{"kty":"EC","crv":"P-256","x":"{u43}","y":"{u43}","d":"§"}`,
		`{"kty":"OKP","crv":"Ed25519","d":"§","x":"{u43}"}`,
		"{\n  \"kty\": \"EC\",\n  \"d\": \"§\",\n  \"use\": \"sig\"\n}",
		`jwk = {"kty": "oct", "k": "§"}`,
	}},
	{"wireguard", "{b43}=", []string{
		"[Interface]\nPrivateKey = §\nAddress = 10.0.0.2/32",
		"PresharedKey = §",
		"wg set wg0 private-key <(echo §)",
		"[Peer]\nPublicKey = {b43}=\nPresharedKey = §\nAllowedIPs = 0.0.0.0/0",
	}},
	// files
	{"netrc", "{@pw}", []string{
		"machine {@host} login {@user} password §",
		"machine {@host}\n  login {@user}\n  password §\n",
		"default login {@user} password §",
		"$ cat ~/.netrc\nmachine git.example.com login ci password §\nmachine x login y",
	}},
	{"pgpass", "{w18}", []string{
		"{@host}:5432:orders:{@user}:§",
		"*:*:*:postgres:§",
		"$ cat ~/.pgpass\nlocalhost:5432:*:{@user}:§\n",
		"echo '{@host}:5432:orders:{@user}:§' > ~/.pgpass",
	}},
	{"npmrc", "{w36}", []string{
		"//npm.example.com/:_authToken=§",
		"registry=https://npm.example.com/\n//npm.example.com/:_authToken=\"§\"\nalways-auth=true",
		"npm config set //npm.example.com/:_authToken §",
		"echo \"//npm.example.com/:_authToken=§\" >> .npmrc",
	}},
	{"npmrc-auth", "{@basic}", []string{
		"_auth=§", "//npm.example.com/:_auth=§", "_auth = \"§\"\nemail = ci@example.com", "npm config set _auth §",
	}},
	{"docker-config", "{@basic}", []string{
		`{"auths":{"registry.example.com":{"auth":"§"}}}`,
		"{\n  \"auths\": {\n    \"https://index.docker.io/v1/\": {\n      \"auth\": \"§\"\n    }\n  }\n}",
		`{"auths":{"ghcr.io":{"username":"ci","auth":"§","email":"ci@example.com"}}}`,
		"cat ~/.docker/config.json\n{\"auths\":{\"r.example.com\":{\"auth\":\"§\"}}}",
	}},
	{"pypirc", "{@pw}", []string{
		"[pypi]\nusername = {@user}\npassword = §",
		"[distutils]\nindex-servers = private\n[private]\nrepository = https://pypi.example.com\nusername = ci\npassword: §",
		"twine upload -u ci -p '§' dist/*",
		"TWINE_PASSWORD=§ twine upload dist/*",
	}},
	{"kubeconfig-key", "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQ{b200}", []string{
		"users:\n- name: admin\n  user:\n    client-key-data: §",
		"    client-certificate-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t{b80}\n    client-key-data: §\n",
		`{"user":{"client-key-data":"§"}}`,
		"client-key-data: §",
	}},
	{"kubernetes-secret", "{@b64}", []string{
		"apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ntype: Opaque\ndata:\n  password: §",
		"kind: Secret\ndata:\n  api-key: §\n",
		"data:\n  client-secret: §\n  user: YWxpY2U=",
		`{"kind":"Secret","data":{"token":"§"}}`,
	}},
	{"maven-settings", "{@pw}", []string{
		"<server><id>nexus</id><username>ci</username><password>§</password></server>",
		"<server>\n  <id>nexus</id>\n  <password>§</password>\n</server>",
		"<property name=\"password\" value=\"§\"/>",
		"<add key=\"ApiPassword\" value=\"§\" />",
	}},
	{"gradle", "{@pw}", []string{
		"signing.password=§", "nexusPassword=§\nnexusUsername=ci", "storePassword '§'", "keyPassword = \"§\"",
	}},
	{"terraform", "{@pw}", []string{
		"resource \"aws_db_instance\" \"main\" {\n  username = \"app\"\n  password = \"§\"\n}",
		"db_password = \"§\"",
		"variable \"db_password\" {\n  default = \"§\"\n}",
		"terraform apply -var 'db_password=§'",
	}},
	{"ansible", "{@pw}", []string{
		"ansible_become_pass: §", "ansible_ssh_pass=§", "all:\n  vars:\n    ansible_password: \"§\"", "web1 ansible_host=10.0.0.3 ansible_password=§ ansible_user=root",
	}},
	{"rclone", "{u43}", []string{
		"[s3]\ntype = s3\nsecret_access_key = §", "[b2]\ntype = b2\nkey = §", "[sftp]\ntype = sftp\npass = §", "[drive]\nclient_secret = §\nscope = drive",
	}},
	// passwords
	{"password-yaml", "{@pw}", []string{"db:\n  password: §\n  port: 5432", "password: '§'", "  passwd: \"§\"", "spring:\n  datasource:\n    password: §", "- password: §"}},
	{"password-json", "{@pw}", []string{`{"user":"bob","password":"§"}`, `{"password": "§", "port": 1}`, `{"db":{"pass":"§"}}`, `{"userPassword":"§"}`, `{\"password\":\"§\"}`}},
	{"password-code", "{@human}", []string{
		"password := \"§\"", "String password = \"§\";", "conn = connect(user='app', password='§')", "const cfg = { user: 'app', password: '§' };",
		"if (password === \"§\") return true;", "define('DB_PASSWORD', '§');", "$db_pass = '§';", "PASSWORD: Final[str] = \"§\"",
	}},
	{"password-sentence", "{@human}", []string{
		"the password is §", "The admin password for staging is `§`, please change it.", "login with admin / password §", "I changed the root password to §.",
		"password: § (valid until Friday)", "user: alice, pass: §", "use the password \"§\" for the demo", "my password was § before", "Passwort: §",
	}},
	{"password-credentials", "{@human}", []string{
		"credentials: admin / §", "log in as admin:§ on the staging box", "username=admin\npassword=§\n", "Username: admin\nPassword: §",
	}},
	{"password-command", "{@pw}", []string{
		"mysql -u root -p§ shop", "mysqldump --user=app --password=§ shop > dump.sql", "sshpass -p '§' ssh root@10.0.0.3", "redis-cli -h cache -a § ping",
		"PGPASSWORD=§ psql -h db -U app", "curl -u admin:§ https://api.example.com/", "curl --user 'ci:§' -X POST https://api.example.com/", "docker login -u ci -p § registry.example.com",
		"ldapsearch -D cn=admin -w § -b dc=example", "net use Z: \\\\srv\\share /user:acme\\bob §", "echo '§' | sudo -S systemctl restart app", "openssl pkcs12 -in c.p12 -passin pass:§",
		"wget --http-user=ci --http-password=§ https://dl.example.com/x.tgz", "mongosh --username app --password § db", "az login --service-principal -u app -p § --tenant t", "helm upgrade app . --set db.password=§",
	}},
	{"password-sql", "{@pw}", []string{
		"CREATE USER app WITH PASSWORD '§';", "ALTER ROLE app PASSWORD '§';", "CREATE USER 'app'@'%' IDENTIFIED BY '§';", "SET PASSWORD FOR 'root'@'localhost' = PASSWORD('§');",
	}},
	{"password-form", "{@human}", []string{
		"grant_type=password&username=bob&password=§&scope=all", "POST /login\n\nuser=bob&passwd=§", "--data 'username=bob&password=§'", "<input type=\"password\" value=\"§\">",
	}},
	// headers and cookies
	{"bearer", "{u40}", []string{
		"Authorization: Bearer §", "curl -H 'Authorization: Bearer §' https://api.example.com/v1/me", `{"headers":{"Authorization":"Bearer §"}}`,
		"req.Header.Set(\"Authorization\", \"Bearer §\")", "headers = {'Authorization': 'Bearer §'}", "> authorization: bearer §\n> accept: */*",
	}},
	{"token-header", "{h40}", []string{"Authorization: Token §", "Authorization: token §", "PRIVATE-TOKEN: §", "X-Api-Key: §", "x-auth-token: §", "X-Vault-Token: §"}},
	{"basic-auth", "{@basic}", []string{
		"Authorization: Basic §", "curl -H \"Authorization: Basic §\" https://api.example.com/", `{"Authorization":"Basic §"}`, "proxy-authorization: Basic §",
	}},
	{"session-cookie", "{u43}", []string{
		"Cookie: sessionid=§; theme=dark", "Set-Cookie: session=§; Path=/; HttpOnly; Secure", "curl -b 'session=§' https://app.example.com/", "Cookie: theme=dark; connect.sid=s%3A§",
		"Cookie: JSESSIONID=§", "document.cookie = \"auth_session=§; path=/\"", "Set-Cookie: __Host-session=§; Secure; Path=/", "PHPSESSID=§; lang=de",
	}},
	{"otpauth", "{B32}", []string{
		"otpauth://totp/Acme:alice@example.com?secret=§&issuer=Acme", "scan this: otpauth://totp/x?secret=§", "otpauth://hotp/Acme?secret=§&counter=1",
		"{\"uri\":\"otpauth://totp/Acme:bob?algorithm=SHA1&secret=§\"}",
	}},
	{"hex-key-announced", "{h64}", []string{
		"the encryption key is §", "AES key: §", "openssl enc -aes-256-cbc -K § -iv {h32}", "key = bytes.fromhex(\"§\")", "master secret §", "-hmac-key §", "private key 0x§", "seed (secret): §",
	}},
	{"token-announced", "{w40}", []string{
		"the token is §", "my api token: §", "use this access token: §", "token §", "invite secret: §", "new key for the API: §", "auth=§", "credential §",
	}},
	{"backup-codes", "{h5}-{h5}", []string{"recovery code: §", "backup code §", "my 2FA recovery code is §", "recovery codes:\n§"}},
	{"mnemonic", "{@word} {@word} {@word} {@word} {@word} {@word} {@word} {@word} {@word} {@word} {@word} {@word}", []string{
		"seed phrase: §", "the wallet's recovery phrase is: §", "mnemonic = \"§\"", "MNEMONIC=\"§\"",
	}},
}
