package corpus

// reviewerServices are passwords of services: in URLs, connection strings and clients' commands.
func reviewerServices() []reviewerKind {
	return []reviewerKind{
		{"postgres-url", "«upw»", []string{
			"DATABASE_URL=postgres://app:«s»@«host»:5432/shop?sslmode=require", "psql \"postgresql://«user»:«s»@«ip»/metrics\"",
			"sqlalchemy.url = postgresql+psycopg://app:«s»@localhost/app", "spring.datasource.url=jdbc:postgresql://db/app?user=app&password=«s»",
			"could not connect: postgres://app:«s»@«host»:5432/shop: connection refused",
		}},
		{"mysql-url", "«upw»", []string{
			"mysql://root:«s»@127.0.0.1:3306/wordpress", "dsn := \"app:«s»@tcp(«host»:3306)/app?parseTime=true\"",
			"mysql+pymysql://«user»:«s»@«host»/crm", "jdbc:mysql://«host»:3306/crm?user=crm&password=«s»&useSSL=false",
		}},
		{"mongodb-url", "«upw»", []string{
			"MONGO_URI=mongodb+srv://app:«s»@cluster0.ab1cd.mongodb.net/prod?retryWrites=true", "mongosh 'mongodb://admin:«s»@m1,m2,m3/admin?replicaSet=rs0'",
			"mongoose.connect(\"mongodb://«user»:«s»@«host»:27017/app\")", "uri: mongodb://root:«s»@mongo:27017",
		}},
		{"redis-url", "«upw»", []string{
			"REDIS_URL=redis://:«s»@«host»:6379/0", "rediss://default:«s»@eu1-fit-cat-3.upstash.io:6379", "redis-cli -h «host» -a «s» ping",
			"requirepass «s»", "CELERY_BROKER_URL = 'redis://:«s»@redis:6379/1'", "redis-cli> AUTH «s»",
		}},
		{"amqp-url", "«upw»", []string{
			"amqp://«user»:«s»@«host»:5672/vhost", "amqps://zfxq:«s»@rat.rmq2.cloudamqp.com/zfxq", "broker_url: amqp://guest2:«s»@mq//",
			"rabbitmqctl change_password app «s»",
		}},
		{"basic-auth-url", "«upw»", []string{
			"git remote add origin https://deploy:«s»@git.example.com/app.git", "http_proxy=http://jdoe:«s»@proxy.example.com:3128",
			"pip install --index-url https://ci:«s»@pypi.example.com/simple app", "wget https://«user»:«s»@files.example.com/a.tgz",
			"sftp://backup:«s»@«host»/daily", "ldap://cn=admin:«s»@«host»", "smtp://mailer:«s»@smtp.example.com:587",
		}},
		{"sqlserver-connection", "«pw»", []string{
			"Server=tcp:acme.database.windows.net,1433;Database=crm;User ID=sa;Password=«s»;Encrypt=True;",
			"\"ConnectionStrings\": { \"Default\": \"Data Source=db;Initial Catalog=app;User Id=app;Password=«s»\" }",
			"sqlcmd -S «host» -U sa -P «s» -Q 'select 1'", "Driver={ODBC Driver 18 for SQL Server};Server=db;UID=app;PWD=«s»;", "MSSQL_SA_PASSWORD=«s»",
		}},
		{"libpq-keywords", "«pw»", []string{
			"host=«host» port=5432 user=app password=«s» dbname=shop sslmode=require", "psycopg2.connect(host='db', user='app', password='«s»')",
			"PGPASSWORD=«s» pg_dump -h «host» -U app shop", "db.internal:5432:shop:app:«s»   # ~/.pgpass",
		}},
		{"sql-statement-password", "«pw»", []string{
			"CREATE USER app WITH PASSWORD '«s»';", "ALTER ROLE reporting WITH LOGIN PASSWORD '«s»';", "CREATE USER 'app'@'%' IDENTIFIED BY '«s»';",
			"GRANT ALL ON shop.* TO 'app'@'%' IDENTIFIED BY '«s»';", "CREATE LOGIN app WITH PASSWORD = '«s»';", "SET PASSWORD FOR 'root'@'localhost' = PASSWORD('«s»');",
		}},
		{"oracle-connect", "«upw»", []string{
			"sqlplus system/«s»@//«host»:1521/ORCL", "jdbc:oracle:thin:app/«s»@«host»:1521:XE", "expdp app/«s»@prod schemas=app", "ALTER USER app IDENTIFIED BY \"«s»\";",
		}},
		{"snowflake-password", "«pw»", []string{
			"snowflake.connector.connect(account='ab12345', user='etl', password='«s»')", "SNOWSQL_PWD=«s» snowsql -a ab12345 -u etl",
			"[connections.prod]\naccount = \"ab12345\"\npassword = \"«s»\"", "prod:\n  type: snowflake\n  user: dbt\n  password: «s»",
		}},
		{"basic-header", "«basic»", []string{
			"Authorization: Basic «s»", "curl -H 'Authorization: Basic «s»' https://«host»/api", "headers: { Authorization: 'Basic «s»' }",
			"proxy-authorization: Basic «s»", "< 401 for request with authorization=[Basic «s»]",
		}},
		{"docker-config-auth", "«basic»", []string{
			`{"auths":{"registry.example.com":{"auth":"«s»"}}}`, "{\n  \"auths\": {\n    \"https://index.docker.io/v1/\": {\n      \"auth\": \"«s»\"\n    }\n  }\n}",
			"~/.docker/config.json has \"ghcr.io\": {\"auth\": \"«s»\"}", "//npm.example.com/:_auth=«s»",
		}},
		{"ftp-and-smb", "«upw»", []string{
			"ftp://upload:«s»@ftp.example.com/in", "smbclient //nas/share -U acme/jdoe%«s»", "mount -t cifs //nas/data /mnt -o username=svc,password=«s»", "lftp -u upload,«s» ftp.example.com",
		}},
	}
}

// reviewerKeys are blocks of several lines, and their one-line forms.
func reviewerKeys() []reviewerKind {
	blocks := []string{
		"«s»", "here is the key for the bastion:\n\n```\n«s»\n```", "{\"private_key\": \"«s:json»\"}", "tls:\n  key: |\n    «s:indent»\n  port: 443",
		"cat > ~/.ssh/deploy <<'KEY'\n«s»\nKEY\nchmod 600 ~/.ssh/deploy", "@@ -0,0 +1,8 @@\n+«s:diff»", "> «s:quote»\n\nis that the right one?",
	}
	var kinds []reviewerKind
	for _, armour := range []string{"RSA PRIVATE", "EC PRIVATE", "OPENSSH PRIVATE", "DSA PRIVATE", "ENCRYPTED PRIVATE", "PRIVATE"} {
		name := map[string]string{
			"RSA PRIVATE": "pem-rsa", "EC PRIVATE": "pem-ec", "OPENSSH PRIVATE": "pem-openssh", "DSA PRIVATE": "pem-dsa",
			"ENCRYPTED PRIVATE": "pem-encrypted", "PRIVATE": "pem-pkcs8",
		}[armour]
		kinds = append(kinds, reviewerKind{name, "«pem:" + armour + " KEY»", blocks[:4+len(kinds)%4]})
	}
	return append(kinds, []reviewerKind{
		{"pgp-private", "«pgp»", blocks[:5]},
		{"gcp-service-account", "«pem:PRIVATE" + " KEY»", []string{
			`{"type":"service_account","project_id":"acme","private_key_id":"«hex:40»","private_key":"«s:json»\n","client_email":"ci@acme.iam.gserviceaccount.com"}`,
			"GOOGLE_CREDENTIALS='{\"type\":\"service_account\",\"private_key\":\"«s:json»\"}'",
			"{\n  \"type\": \"service_account\",\n  \"private_key\": \"«s:json»\\n\",\n  \"token_uri\": \"https://oauth2.googleapis.com/token\"\n}",
			"FIREBASE_PRIVATE_KEY=\"«s:json»\\n\"",
		}},
		{"wireguard-key", "«b64:42»A=", []string{
			"[Interface]\nAddress = 10.9.0.2/24\nPrivateKey = «s»\n\n[Peer]\nAllowedIPs = 10.9.0.0/24", "PrivateKey = «s»",
			"PresharedKey = «s»", "echo «s» | wg pubkey", "WIREGUARD_PRIVATE_KEY=«s»",
		}},
		{"putty-key", "«b64:64»\n«b64:64»\n«b64:44»", []string{
			"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: me\nPrivate-Lines: 3\n«s»\nPrivate-MAC: «hex:64»",
			"id.ppk:\nPuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nPrivate-Lines: 3\n«s»\nPrivate-MAC: «hex:40»",
			"```\nPuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nComment: rsa\nPrivate-Lines: 3\n«s»\nPrivate-MAC: «hex:64»\n```",
			"the ppk is\n\nPuTTY-User-Key-File-3: ecdsa-sha2-nistp256\nEncryption: none\nComment: x\nPrivate-Lines: 3\n«s»\nPrivate-MAC: «hex:64»",
		}},
		{"kubeconfig-client-key", "LS0tLS1CRUdJTiB" + "SU0EgUFJJVkFURSBLRVktLS0tLQo«b64:360»==", []string{
			"users:\n- name: admin\n  user:\n    client-key-data: «s»", "    client-key-data: «s»", "\"client-key-data\": \"«s»\"", "client_key: «s»",
		}},
		{"kubernetes-secret-data", "«enc:pw»", []string{
			"apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ntype: Opaque\ndata:\n  password: «s»", "kind: Secret\napiVersion: v1\ndata:\n  DB_PASSWORD: «s»",
			`{"apiVersion":"v1","kind":"Secret","data":{"password":"«s»"}}`, "data:\n  admin-password: «s»\nkind: Secret",
		}},
		{"terraform-state", "«pw»", []string{
			`"attributes": {"engine": "postgres", "username": "app", "password": "«s»", "port": 5432}`, "master_password = \"«s»\"",
			"resource \"random_password\" \"db\" {\n  result = \"«s»\"\n}", "variable \"db_password\" {\n  default = \"«s»\"\n}", "TF_VAR_db_password='«s»' terraform apply",
		}},
		{"ansible-password", "«pw»", []string{
			"ansible_password: «s»", "web1 ansible_host=10.0.0.9 ansible_user=root ansible_ssh_pass=«s»", "ansible_become_pass: «s»", "- mysql_user:\n    name: app\n    password: «s»",
		}},
	}...)
}
